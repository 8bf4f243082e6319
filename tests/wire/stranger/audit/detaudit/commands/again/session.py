"""One ``detaudit again``: two trials of one condition, compared."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from detaudit.commands.again.findings import AgainAudit
from detaudit.core.condition import Condition, pair
from detaudit.core.events import Emit, Phase
from detaudit.core.experiment import Experiment
from detaudit.core.tally import Tally, tally
from detaudit.execution.audit import session
from detaudit.execution.host import Interpreter
from detaudit.execution.limits import Limits
from detaudit.registry import base


@dataclass(frozen=True)
class Options:
    """What the user asked for; it stands in the report. ``procedure``: the source that trains, in
    place of a tiny model of ours; ``probes``: folders with sources of the user's;
    ``pins``: ids, besides those that are always pinned.
    """

    python: str
    backend: str = "tensorflow"
    seed: int = 1
    probes: tuple[str, ...] = ()
    procedure: str | None = None
    pins: tuple[str, ...] = ()


def twice(condition: Condition) -> Experiment[Tally]:
    """One pair of trials, compared observation by observation."""
    trials = pair(condition, 0)
    finished = yield trials
    return tally(condition, [trials], finished)


def run(options: Options, emit: Emit, resume: str | Path | None = None) -> AgainAudit:
    """Raises UsageError and EnvironmentUnusable; an interruption gives what had been found."""
    condition = base.base_condition(options.backend, "cpu", options.seed)
    condition = replace(condition, procedure=options.procedure)
    known = base.known_pins()
    for name in options.pins:
        condition = condition.with_pin(known[name])
    # A procedure of the user's imports what it needs itself
    imports = options.procedure is None
    interpreter = Interpreter(options.python, options.backend, imports=imports)
    audit = AgainAudit(asdict(options))
    with session(emit, resume) as work:
        work.start_nests(interpreter, Limits())
        with work.attended():
            hello = work.greet(condition, "again")
            audit = replace(audit, environment=hello.facts)
            emit(Phase("Training twice"))
            audit = judge(audit, work.ask(twice(condition)))
        return work.complete(audit)


def judge(audit: AgainAudit, result: Tally | None) -> AgainAudit:
    """The audit with what its pair showed."""
    if result is None:
        return audit
    if not result.pairs:
        reasons = [*result.problems, result.unavailable]
        return replace(audit, problem="; ".join(filter(None, reasons)))
    return replace(audit, matches=result.divergence is None, divergence=result.divergence)

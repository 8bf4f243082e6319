"""One ``detaudit ops``: runs the sweep, then measures what must be timed with nothing running
beside it.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from detaudit_probes.ops import catalogue

from detaudit.commands.ops import sweep
from detaudit.commands.ops.findings import OpsAudit, Refusal
from detaudit.core.durations import duration
from detaudit.core.events import Emit, Expected, Notice, Phase
from detaudit.core.nearest import did_you_mean
from detaudit.core.sentences import number
from detaudit.errors import UsageError
from detaudit.execution.audit import Session, session
from detaudit.execution.host import Interpreter
from detaudit.execution.limits import TRIAL_SECONDS, Limits, parse_budget
from detaudit.execution.runner import default_jobs
from detaudit.machine import variables
from detaudit.registry import base

# Seconds of a trial that replays eight entries, measured on two shared cores with TensorFlow 2.21.
RUN_SECONDS, TIMED_SECONDS = 2.5, 1.5


@dataclass(frozen=True)
class Options:
    """The user's options, which are in the report."""

    python: str
    backend: str = "tensorflow"
    device: str = "auto"
    only: tuple[str, ...] = ()
    list_raising: bool = False
    cost: bool = True
    jobs: int | None = None
    timeout: float = TRIAL_SECONDS
    budget: str | None = None
    seed: int = 1
    strict: bool = False


def names() -> tuple[str, ...]:
    """Return the valid names for ``only``: the entries of the catalogue, and the operations that
    their gradients run.
    """
    return tuple(name for entry in catalogue.OPERATIONS for name in (entry.name, *entry.gradients))


def chosen(only: Sequence[str]) -> tuple[str, ...]:
    """Return the entries of the catalogue to replay, by name; all if none is named. Raises
    UsageError.
    """
    known = [entry.name for entry in catalogue.OPERATIONS]
    by_what_they_run = {
        name: entry.name for entry in catalogue.OPERATIONS for name in entry.gradients
    }
    by_lower = {name.lower(): name for name in [*by_what_they_run, *known]}
    unknown = [name for name in only if name.lower() not in by_lower]
    if unknown:
        hint = did_you_mean(unknown[0], by_lower.values(), 3)
        raise UsageError(f"There is no operation {unknown[0]} in the catalogue.{hint}")
    named = [by_lower[name.lower()] for name in only]
    return tuple(
        dict.fromkeys(name if name in known else by_what_they_run[name] for name in named)
    ) or tuple(known)


def run(options: Options, emit: Emit, resume: str | Path | None = None) -> OpsAudit:
    """Replay the operations. Raises UsageError and EnvironmentUnusable. If interrupted, returns the
    findings so far, saved for ``resume``.
    """
    names = chosen(options.only)
    with session(emit, resume) as work:
        return _Sweep(options, names, work).audit()


class _Sweep:
    """One execution of the command."""

    def __init__(self, options: Options, names: tuple[str, ...], work: Session) -> None:
        self.options, self.names, self.session, self.emit = options, names, work, work.emit
        self.on_gpu = work.on_gpu(options.device)
        self.runner = work.start_nests(
            Interpreter(options.python, options.backend, fork=not self.on_gpu),
            Limits(options.jobs or default_jobs(), options.timeout, *parse_budget(options.budget)),
        )

    def audit(self) -> OpsAudit:
        options = self.options
        conditions = sweep.Conditions.of(
            base.base_condition(options.backend, options.device, options.seed), base.known_pins()
        )
        facts: dict[str, Any] = {}
        self.found = OpsAudit(
            {**asdict(options), "operations": len(self.names)},
            options.device,
            strict=options.strict,
            requested=options.only,
            warnings=variables.warnings(self.session.variables),
        )
        with self.session.attended():
            facts = self.session.greet(conditions.default, "ops").facts
            facts = {**facts, "variables": variables.describe(self.session.variables)}
            if options.device == "gpu":
                self.session.has_gpu(conditions.default, wanted=True)
            self._replay(conditions)
        return self.session.complete(
            replace(self.found, environment={**facts, "framework": self.session.framework()})
        )

    def _replay(self, conditions: sweep.Conditions) -> None:
        """Fill in ``found`` as results become known."""
        self.emit(Phase("Reading what the library says about its operations"))
        said = self.session.ask(sweep.refusals(conditions)) or ()
        names = self._chosen_names(said)
        random = {entry.name for entry in catalogue.OPERATIONS if entry.unseeded is not None}
        self._forecast(names, random)
        self.emit(Phase("Replaying"))
        replayed = self.session.ask(sweep.sweep(conditions, names, random)) or ()
        operations = tuple(sweep.documented(operation, said, self.on_gpu) for operation in replayed)
        self.found = replace(
            self.found, operations=operations, refusals=sweep.matched(said, operations)
        )
        if self.options.cost and not self.options.list_raising and operations:
            self.emit(Phase("Timing op determinism, with nothing else running"))
            self.runner.limits = replace(self.runner.limits, jobs=1)
            timed = sweep.timings({one.name for one in operations})
            done = len(self.runner.finished)
            self.emit(Expected(done + timed, timed * TIMED_SECONDS))
            with_cost = self.session.ask(sweep.costs(conditions, operations))
            self.found = replace(self.found, operations=with_cost or operations)

    def _forecast(self, names: Sequence[str], random: Collection[str]) -> None:
        """Report how much work there is, before it begins."""
        done, jobs = len(self.runner.finished), self.runner.limits.jobs
        replays = sweep.replays(names, random)
        timed = sweep.timings(names) if self.options.cost and not self.options.list_raising else 0
        seconds, later = replays * RUN_SECONDS / jobs, timed * TIMED_SECONDS
        count, runs = number(len(names), "operation"), number(replays + timed, "run")
        self.emit(
            Notice(
                f"Replaying {count} under four conditions: {runs}, about "
                f"{duration(seconds + later)} on this machine"
            )
        )
        self.emit(Expected(done + replays + timed, seconds + later, timed, later))

    def _chosen_names(self, said: Sequence[Refusal]) -> tuple[str, ...]:
        """Return the entries to replay; with ``--list-raising`` only those that the library
        names.
        """
        if not self.options.list_raising:
            return self.names
        named = {name for refusal in said for name in refusal.operations}
        return tuple(
            entry.name
            for entry in catalogue.OPERATIONS
            if entry.name in self.names and {entry.name, *entry.gradients} & named
        )

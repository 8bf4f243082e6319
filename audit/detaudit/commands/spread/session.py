"""One ``detaudit spread``: the same training with one seed after another."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from detaudit_probes.protocol import Orders

from detaudit.commands.spread.findings import SpreadAudit
from detaudit.commands.spread.summary import identical, metrics_of
from detaudit.core.condition import Condition, Trial
from detaudit.core.events import Emit, Phase
from detaudit.core.experiment import Experiment, Finished
from detaudit.core.sentences import number
from detaudit.execution import interpreter
from detaudit.execution.audit import session
from detaudit.execution.host import Interpreter
from detaudit.execution.limits import TRIAL_SECONDS, Limits, parse_budget
from detaudit.execution.runner import default_jobs
from detaudit.registry import base

#: The model of the tutorial that detaudit grew from.
MODEL = "tutorial"
RUNS = 30


@dataclass(frozen=True)
class Options:
    """The user's options, which are in the report."""

    python: str
    backend: str | None = None
    device: str = "auto"
    runs: int = RUNS
    seed: int = 1
    jobs: int | None = None
    timeout: float = TRIAL_SECONDS
    budget: str | None = None


def run(options: Options, emit: Emit, resume: str | Path | None = None) -> SpreadAudit:
    """Train with each seed. Raises UsageError and EnvironmentUnusable; an interruption returns the
    findings so far.
    """
    backend = interpreter.choose(options.backend, interpreter.ask(options.python).facts)
    options = replace(options, backend=backend)
    audit = SpreadAudit(asdict(options))
    with session(emit, resume) as work:
        on_gpu = work.on_gpu(options.device)
        first = base.base_condition(backend, options.device, options.seed, MODEL, on_gpu)
        first = replace(first, orders=Orders(record=False, evaluate=True))
        work.start_nests(
            Interpreter(options.python, backend, fork=not on_gpu),
            Limits(options.jobs or default_jobs(), options.timeout, *parse_budget(options.budget)),
        )
        with work.attended():
            hello = work.greet(first, "spread")
            audit = replace(audit, environment=hello.facts)
            emit(Phase(f"Training with {number(options.runs, 'seed')}"))
            work.ask(each_seed(first, options.runs))
        runs = _completed(work.trials())
        audit = replace(
            audit,
            environment={**audit.environment, "framework": work.framework()},
            seeds=tuple(run.trial.condition.seed for run in runs),
            identical=identical(runs),
            metrics=metrics_of(runs, options.seed),
        )
        return work.complete(audit)


def each_seed(first: Condition, runs: int) -> Experiment[None]:
    """Run the condition with its seed and the following ones."""
    yield [Trial(replace(first, seed=first.seed + place), 0) for place in range(runs)]


def _completed(runs: Sequence[Finished]) -> list[Finished]:
    """Return the runs that completed, in the order of their seeds."""
    completed = (run for run in runs if run.outcome.completed)
    return sorted(completed, key=lambda run: run.trial.condition.seed)

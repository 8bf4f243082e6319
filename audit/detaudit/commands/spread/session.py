"""One ``detaudit spread``: the same training with one seed after another."""

import os
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from detaudit_probes.protocol import Orders

from detaudit.commands.spread import by_component, by_source, results, seeding
from detaudit.commands.spread.findings import SpreadAudit
from detaudit.commands.spread.options import Options
from detaudit.commands.spread.programs import Work, one_source_free, with_seeds
from detaudit.commands.spread.summary import (
    Results,
    churn,
    differences_of,
    identical,
    measured,
    metrics_of,
    with_needed,
)
from detaudit.core.condition import Condition, Trial
from detaudit.core.events import Emit, Phase
from detaudit.core.experiment import Experiment, Finished
from detaudit.core.sentences import number
from detaudit.core.statistics import LEAST_PAIRS
from detaudit.errors import UsageError
from detaudit.execution import interpreter
from detaudit.execution.audit import Session, session
from detaudit.execution.host import Interpreter
from detaudit.execution.limits import Limits, parse_budget
from detaudit.execution.program.program import Program
from detaudit.execution.runner import default_jobs
from detaudit.execution.workspace import LONG, SHORT
from detaudit.registry import base


def run(
    options: Options,
    emit: Emit,
    resume: str | Path | None = None,
    programs: Sequence[Program] = (),
    reports: Collection[Path] = (),
) -> SpreadAudit:
    """Train with each seed: the user's program, and a second one to compare it with, or else a
    model of ours. Raises UsageError and EnvironmentUnusable; an interruption returns the findings
    so far. ``reports`` are files that are written for the user.
    """
    options = options.complete(bool(programs))
    if options.by_source and options.runs < by_source.LEAST_RUNS:
        raise UsageError(f"--by-source needs --runs {by_source.LEAST_RUNS} or more.")
    if not programs:
        return _of_our_model(options, emit, resume)
    if len({program.root for program in programs}) > 1:
        raise UsageError("Both programs must be in one folder.")
    if len(programs) > 1 and options.runs < LEAST_PAIRS:
        raise UsageError(f"--against needs --runs {LEAST_PAIRS} or more: fewer pairs show nothing.")
    if options.by_source and (len(programs) > 1 or options.seed_args or options.seed_env):
        raise UsageError("--by-source takes neither seeds nor a second program.")
    method = seeding.chosen(options.seed_args, options.seed_env)
    file = None
    if options.results is not None:  # as the program names it in its working folder
        file = os.path.relpath(programs[0].cwd / options.results, programs[0].root)
    read = results.with_first(results.reader(options.parse, file), options.metric)
    with session(emit, resume, SHORT) as work:
        of_programs = Work(programs, options, method, read, work, reports)
        if options.by_source:
            audit = one_source_free(of_programs)
            return work.complete(replace(audit, power=by_source.power(options.runs)))
        return work.complete(with_results(with_seeds(of_programs), work, read))


def _of_our_model(options: Options, emit: Emit, resume: str | Path | None) -> SpreadAudit:
    backend = interpreter.choose(options.backend, interpreter.ask(options.python).facts)
    options = replace(options, backend=backend)
    audit = SpreadAudit(asdict(options))
    with session(emit, resume, LONG) as work:
        on_gpu = work.on_gpu(options.device)
        first = base.base_condition(backend, options.device, options.seed, options.model, on_gpu)
        first = replace(first, orders=Orders(record=options.by_source, evaluate=True))
        work.start_nests(
            Interpreter(options.python, backend, fork=not on_gpu),
            Limits(options.jobs or default_jobs(), options.timeout, *parse_budget(options.budget)),
        )
        with work.attended():
            hello = work.greet(first, "spread")
            audit = replace(audit, environment=hello.facts)
            if options.by_source:
                emit(Phase(f"Training the {options.model} with one component free at a time"))
                rows = work.ask(by_component.rows(first, options.runs, measured)) or ()
                audit = replace(audit, by_source=rows, power=by_source.power(options.runs))
            else:
                emit(Phase(f"Training with {number(options.runs, 'seed')}"))
                work.ask(each_seed(first, options.runs))
        if options.by_source:
            environment = {**audit.environment, "framework": work.framework()}
            return work.complete(replace(audit, environment=environment))
        return work.complete(with_results(audit, work, measured))


def each_seed(first: Condition, runs: int) -> Experiment[None]:
    """Run the condition with its seed and the following ones."""
    yield [Trial(replace(first, seed=first.seed + place), 0) for place in range(runs)]


def with_results(audit: SpreadAudit, work: Session, read: Results) -> SpreadAudit:
    """Return the audit with what its completed runs ended with."""
    trials, seed = work.trials(), audit.options["seed"]
    first = _completed(trials, audit.program or audit.options["model"])
    found = _results(first, seed, read)
    found["metrics"] = with_needed(found["metrics"], audit.options["delta"])
    against = audit.against
    if against is not None:
        other = _completed(trials, against.program)
        by_seed = {run.trial.condition.seed: run for run in other}
        pairs = [
            (run, by_seed[run.trial.condition.seed])
            for run in first
            if run.trial.condition.seed in by_seed
        ]
        differences = differences_of(pairs, seed, read)
        against = replace(against, **_results(other, seed, read), differences=differences)
    return replace(
        audit,
        environment={**audit.environment, "framework": work.framework()},
        against=against,
        churn=churn(first),
        **found,
    )


def _results(runs: Sequence[Finished], seed: int, read: Results) -> dict[str, Any]:
    return {
        "seeds": tuple(run.trial.condition.seed for run in runs),
        "identical": identical(runs, read),
        "metrics": metrics_of(runs, seed, read),
    }


def _completed(runs: Sequence[Finished], name: str) -> list[Finished]:
    """Return the runs of a program, or of our model, that completed, in the order of their
    seeds.
    """
    completed = (
        run
        for run in runs
        if run.outcome.completed
        and not run.trial.draw  # others only show whether a seed repeats its run
        and run.trial.condition.model == name
    )
    return sorted(completed, key=lambda run: run.trial.condition.seed)

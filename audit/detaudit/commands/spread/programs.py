"""The user's program, run with one seed after another in fresh processes; nothing is pinned."""

import os
import stat
from collections.abc import Collection
from dataclasses import asdict, replace
from pathlib import Path

from detaudit_probes.protocol import Orders

from detaudit.commands.spread import seeding
from detaudit.commands.spread.findings import CALLS, SeedCall, Seeding, SpreadAudit
from detaudit.commands.spread.options import Options
from detaudit.commands.spread.summary import Results, identical
from detaudit.core.condition import Condition, Trial
from detaudit.core.durations import duration
from detaudit.core.events import Expected, Notice, Phase
from detaudit.core.experiment import Experiment, Finished
from detaudit.core.sentences import number
from detaudit.execution.audit import Session
from detaudit.execution.host import Hello, Interpreter
from detaudit.execution.interpreter import ask
from detaudit.execution.limits import Limits, parse_budget
from detaudit.execution.program import launch
from detaudit.execution.program.process import Pace, Room, Services
from detaudit.execution.program.program import Program, listing
from detaudit.execution.program.sandboxed import Sandboxed
from detaudit.execution.runner import default_jobs
from detaudit.execution.sandbox.choice import choose
from detaudit.machine import variables

#: Only the first and the last weights are compared: every step that is recorded costs time.
HARDLY = 10**9


def audited(
    program: Program,
    options: Options,
    how: Seeding,
    read: Results,
    work: Session,
    reports: Collection[Path],
) -> SpreadAudit:
    """Run the program with each seed, without the results. Raises UsageError."""
    jobs = options.jobs or (1 if work.on_gpu(options.device) else default_jobs())
    described = {**asdict(options), "jobs": jobs}
    audit = SpreadAudit(described, program=program.title, seeding=how)
    with work.attended():
        hello = ask(options.python)
        facts = {**hello.facts, "variables": variables.describe(os.environ)}
        audit = replace(audit, environment=facts)
        sandboxed = _start(program, options, work, jobs, hello)
        _go_on(program, options, work, hello, sandboxed, reports)
        backend = options.backend or os.environ.get("KERAS_BACKEND") or "tensorflow"
        first = Condition(
            backend, options.device, program.title, options.seed, orders=Orders(every=HARDLY)
        )
        work.emit(Phase(f"Running {program.title} {number(options.runs, 'time')}"))
        work.ask(_each(seeding.conditions(first, how, options.runs), how, read, work, jobs))
    environment = {**audit.environment, **launch.imported(work.trials())}
    return replace(audit, environment=environment, **_observed(work.trials(), how, read))


def _start(program: Program, options: Options, work: Session, jobs: int, hello: Hello) -> Sandboxed:
    choice = choose(program.root, work.folder.path, None, program.beside)
    sandboxed = Sandboxed(choice.sandbox)
    work.ending.callback(lambda: launch.close(choice.sandbox, work.folder.kept, work.emit))
    work.emit(Notice(launch.describe_isolation(choice, program)))
    launch.start(
        work,
        program,
        Interpreter(options.python, options.backend or "tensorflow", fork=False),
        Limits(jobs, options.timeout, *parse_budget(options.budget)),
        launch.environment(program, options.python, options.device, options.backend),
        Services(Pace(), sandboxed, room=Room(jobs, options.runs)),
        fingerprint=hello.fingerprints[0],
    )
    return sandboxed


def _go_on(
    program: Program,
    options: Options,
    work: Session,
    hello: Hello,
    sandboxed: Sandboxed,
    reports: Collection[Path],
) -> None:
    """Continue a saved audit, if there is one."""
    assert work.runner is not None
    ours = {Path(os.path.realpath(path)) for path in reports}
    root = Path(os.path.realpath(program.root))
    files = {
        name: status
        for name, status in listing(program.root).items()
        if not stat.S_ISDIR(status[1]) and root / name not in ours
    }
    identity = work.identity(
        hello,
        options.seed,
        "spread",
        arguments=launch.digest_of(program),
        options={
            "--backend": options.backend,
            "--device": options.device,
            "--seed-args": options.seed_args,
            "--seed-env": options.seed_env,
        },
        files=files,
    )
    work.go_on(identity, launch.ended_by_script, sandboxed.take_up)
    launch.remove_unfinished(work.runner)


def _each(
    conditions: list[Condition], how: Seeding, read: Results, work: Session, jobs: int
) -> Experiment[None]:
    """Run each condition, beginning with two: if they are identical although their seeds are not,
    or end on no number, no other is run.
    """
    first = [Trial(one, 0) for one in conditions[:2]]
    found = yield first
    runs = [found[trial] for trial in first]
    rest = [Trial(one, 0) for one in conditions[2:]]
    if not rest or not any(map(read, runs)) or _observed(runs, how, read)["ignored"]:
        return
    one = max(run.outcome.seconds for run in runs)
    left = one * len(rest) / jobs
    work.emit(Notice(f"One run takes {duration(one)}, so the others take about {duration(left)}."))
    work.emit(Expected(len(conditions), left))
    yield rest


def _observed(runs: Collection[Finished], how: Seeding, read: Results) -> dict[str, object]:
    """Return how the runs were seeded, and whether they ignore their seeds."""
    completed = [run for run in runs if run.outcome.completed and run.trace is not None]
    if how.how == CALLS:
        how = replace(how, calls=_calls(completed))
    known = {run.trial.condition.seed for run in completed}
    alike = len(known) > 1 and identical(completed, read) == len(completed)
    return {"seeding": how, "ignored": alike and not how.is_free}


def _calls(runs: Collection[Finished]) -> tuple[SeedCall, ...]:
    """Return the calls that seed a generator, in the order of the first run that has any."""
    for run in runs:
        assert run.trace is not None
        root = Path(run.trace.request.orders.root).resolve()
        found = {
            SeedCall(os.path.relpath(one.file, root), one.line, one.function): None
            for one in run.trace.sites().seeds
        }
        if found:
            return tuple(found)
    return ()

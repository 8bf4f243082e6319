"""The user's program, run with one seed after another in fresh processes; nothing is pinned."""

import os
import stat
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from detaudit_probes.protocol import Orders

from detaudit.commands.spread import by_source, seeding
from detaudit.commands.spread.findings import CALLS, Against, SeedCall, Seeding, SpreadAudit
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
from detaudit.registry import base

#: Only the first and the last weights are compared: every step that is recorded costs time.
HARDLY = 10**9


def audited(
    programs: Sequence[Program],
    options: Options,
    how: Seeding,
    read: Results,
    work: Session,
    reports: Collection[Path],
) -> SpreadAudit:
    """Run the program with each seed, and the second one, if there are two, with the same seeds.
    Return the audit without the results. Raises UsageError.
    """
    program, names = programs[0], names_of(programs)
    jobs = options.jobs or (1 if work.on_gpu(options.device) else default_jobs())
    described = {**asdict(options), "jobs": jobs}
    audit = SpreadAudit(described, program=names[0], seeding=how)
    with work.attended():
        hello = ask(options.python)
        facts = {**hello.facts, "variables": variables.describe(os.environ)}
        audit = replace(audit, environment=facts)
        sandboxed = _start(programs, options, work, jobs, hello)
        _go_on(programs, options, work, hello, sandboxed, reports)
        backend = options.backend or os.environ.get("KERAS_BACKEND") or "tensorflow"
        every = 1 if options.by_source else HARDLY
        first = Condition(
            backend, options.device, program.title, options.seed, orders=Orders(every=every)
        )
        wanted = [
            seeding.conditions(replace(first, model=name), how, options.runs) for name in names
        ]
        if options.by_source:
            work.emit(Phase(f"Running {program.title} with one source unpinned at a time"))
            pins = base.unset_script_pins(os.environ)
            found = work.ask(by_source.rows(first, pins, options.runs, read))
            return replace(audit, by_source=found or ())
        work.emit(Phase(f"Running {' and '.join(names)}, {number(options.runs, 'time')} each"))
        work.ask(_each(wanted, how, read, work, jobs))
    trials = work.trials()
    against = None
    if len(names) > 1:
        against = Against(names[1], **_observed(_of(trials, names[1]), how, read))
    return replace(
        audit,
        environment={**audit.environment, **launch.imported(trials)},
        against=against,
        **_observed(_of(trials, names[0]), how, read),
    )


def names_of(programs: Sequence[Program]) -> list[str]:
    """Return the titles of the programs, each once: the arguments of a program are in no report."""
    titles = [program.title for program in programs]
    again = len(titles) > len(set(titles))
    return [titles[0], f"the other {titles[1]}"] if again else titles


def _of(trials: Collection[Finished], name: str) -> list[Finished]:
    return [run for run in trials if run.trial.condition.model == name]


def _start(
    programs: Sequence[Program], options: Options, work: Session, jobs: int, hello: Hello
) -> Sandboxed:
    program = programs[0]
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
        Services(Pace(), sandboxed, room=Room(jobs, options.runs * len(programs))),
        dict(zip(names_of(programs), programs, strict=True)),
        fingerprint=hello.fingerprints[0],
    )
    return sandboxed


def _go_on(
    programs: Sequence[Program],
    options: Options,
    work: Session,
    hello: Hello,
    sandboxed: Sandboxed,
    reports: Collection[Path],
) -> None:
    """Continue a saved audit, if there is one."""
    assert work.runner is not None
    program = programs[0]
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
        arguments=" ".join(map(launch.digest_of, programs)),
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
    wanted: Sequence[Sequence[Condition]], how: Seeding, read: Results, work: Session, jobs: int
) -> Experiment[None]:
    """Run the conditions of each program, beginning with two: if they are identical although their
    seeds are not, or end on no number, no other is run.
    """
    first = [[Trial(one, 0) for one in conditions[:2]] for conditions in wanted]
    found = yield [trial for trials in first for trial in trials]
    runs = [[found[trial] for trial in trials] for trials in first]
    for some in runs:
        if not any(map(read, some)) or _observed(some, how, read)["ignored"]:
            return
    # In pairs of equal seeds: what interrupts them leaves whole pairs
    rest = [
        Trial(one, 0) for some in zip(*(one[2:] for one in wanted), strict=True) for one in some
    ]
    if rest:
        longest = max(run.outcome.seconds for some in runs for run in some)
        left = longest * len(rest) / jobs
        work.emit(
            Notice(f"One run takes {duration(longest)}, so the others take about {duration(left)}.")
        )
        work.emit(Expected(len(found) + len(rest), left))
        yield rest


def _observed(runs: Collection[Finished], how: Seeding, read: Results) -> dict[str, Any]:
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

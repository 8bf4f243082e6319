"""The user's program, run with one seed after another in fresh processes; nothing is pinned."""

import os
import stat
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from detaudit_probes.protocol import Orders

from detaudit.commands.spread import by_source, seeding
from detaudit.commands.spread.findings import CALLS, Against, SeedCall, Seeding, SpreadAudit
from detaudit.commands.spread.options import Options
from detaudit.commands.spread.summary import Results, identical, same_weights
from detaudit.core.condition import Condition, Trial
from detaudit.core.durations import duration
from detaudit.core.events import Expected, Notice, Phase
from detaudit.core.experiment import Experiment, Finished
from detaudit.core.sentences import capitalized, number
from detaudit.execution.audit import Session
from detaudit.execution.host import Hello, Interpreter
from detaudit.execution.interpreter import ask
from detaudit.execution.limits import Limits, parse_budget
from detaudit.execution.program import launch, trackers
from detaudit.execution.program.process import Pace, Room, Services
from detaudit.execution.program.program import Program, listing
from detaudit.execution.program.sandboxed import Sandboxed
from detaudit.execution.program.trainer import Trainer
from detaudit.execution.runner import default_jobs
from detaudit.execution.sandbox.choice import choose
from detaudit.execution.sandbox.errors import SandboxFailed
from detaudit.machine import variables
from detaudit.registry import base

#: Only the first and the last weights are compared: every step that is recorded costs time.
ENDS_ONLY = 10**9
MOST_PINNED_RUNS = 20  # approximate number of sources that a program uses


@dataclass(frozen=True)
class Work:
    """One audit of a program, or of two in one folder, with the seeds of ``method``."""

    programs: Sequence[Program]
    options: Options
    method: Seeding
    read: Results
    session: Session
    reports: Collection[Path]

    @property
    def names(self) -> list[str]:
        """The titles of the programs, each once: the arguments of a program are in no report."""
        titles = [program.title for program in self.programs]
        again = len(titles) > len(set(titles))
        return [titles[0], f"the other {titles[1]}"] if again else titles

    @property
    def jobs(self) -> int:
        on_gpu = self.session.on_gpu(self.options.device)
        return self.options.jobs or (1 if on_gpu else default_jobs())


def with_seeds(work: Work) -> SpreadAudit:
    """Run the program with each seed, and the second one, if there are two, with the same seeds.
    Return the audit without the results. Raises UsageError.
    """
    audit = _empty(work)
    with work.session.attended():
        audit = replace(audit, environment=_begin(work))
        conditions = [
            seeding.conditions(replace(_unpinned(work), model=name), work.method, work.options.runs)
            for name in work.names
        ]
        every = " each" if len(work.names) > 1 else ""
        runs = number(work.options.runs, "time")
        work.session.emit(
            Phase(f"Running {' and '.join(work.names)} {runs}{every}, and one seed once more")
        )
        audit = _asked(work, audit, _seeded(work, conditions))
    trials = work.session.trials()
    found = [
        _with_constants(_seeding_of(_of(trials, name), work.method), program)
        for name, program in zip(work.names, work.programs, strict=True)
    ]
    ignored = [
        _is_ignored(_of(trials, name), method)
        for name, method in zip(work.names, found, strict=True)
    ]
    against = None
    if len(work.names) > 1:
        against = Against(work.names[1], found[1], ignored[1])
    return replace(
        _finished(work, audit),
        seeding=found[0],
        ignored=ignored[0],
        repeats=_repeats(_of(trials, work.names[0]), work.read),
        against=against,
    )


def one_source_free(work: Work) -> SpreadAudit:
    """Run the program with one source unpinned at a time, the others pinned. Raises UsageError."""
    audit = _empty(work)
    with work.session.attended():
        audit = replace(audit, environment=_begin(work))
        title = work.programs[0].title
        work.session.emit(Phase(f"Running {title} with one source unpinned at a time"))
        pins = base.unset_script_pins(os.environ)
        rows = by_source.rows(_unpinned(work), pins, work.options.runs, work.read)
        audit = _asked(work, audit, rows)
    return _finished(work, audit)


def _empty(work: Work) -> SpreadAudit:
    described = {**asdict(work.options), "jobs": work.jobs}
    arguments = [one for program in work.programs for one in program.arguments]
    return SpreadAudit(
        described,
        program=work.names[0],
        seeding=work.method,
        arguments=(*arguments, *seeding.words_of(work.method)),
    )


def _unpinned(work: Work) -> Condition:
    options = work.options
    backend = options.backend or os.environ.get("KERAS_BACKEND") or "tensorflow"
    every = 1 if options.by_source else ENDS_ONLY
    return Condition(
        backend, options.device, work.names[0], options.seed, orders=Orders(every=every)
    )


def _asked(work: Work, audit: SpreadAudit, experiment: Experiment) -> SpreadAudit:
    """Ask the experiment; a full disk ends it, and its finished runs are still reported."""
    try:
        rows = work.session.ask(experiment)
    except SandboxFailed as error:
        if not work.session.trials():
            raise
        work.session.folder.kept = work.session.resume is not None
        return replace(audit, warnings=(*audit.warnings, str(error)))
    return replace(audit, by_source=rows or ())


def _finished(work: Work, audit: SpreadAudit) -> SpreadAudit:
    trials = work.session.trials()
    return replace(
        audit,
        environment={**audit.environment, **launch.imported(trials)},
        warnings=(*audit.warnings, *trackers.notes(launch.trackers_of(trials))),
    )


def _of(trials: Collection[Finished], name: str) -> list[Finished]:
    return [run for run in trials if run.trial.condition.model == name]


def _begin(work: Work) -> dict[str, object]:
    """Start the runner, and continue a saved audit, if there is one; return the facts of the
    environment.
    """
    session, options, program = work.session, work.options, work.programs[0]
    hello = ask(options.python)
    choice = choose(program.root, session.folder.path, None, program.beside)
    sandboxed, trainer = Sandboxed(choice.sandbox), Trainer()
    session.ending.callback(lambda: launch.close(choice.sandbox, session.folder.kept, session.emit))
    for one in work.programs:
        if one.not_run:
            session.emit(Notice(f"{capitalized(one.not_run)}."))
    session.emit(Notice(launch.describe_isolation(choice, program)))
    session.emit(
        Notice("Files that it writes outside its folder are really written, in every run.")
    )
    most = options.runs * (MOST_PINNED_RUNS if options.by_source else len(work.programs))
    launch.start(
        session,
        program,
        Interpreter(options.python, options.backend or "tensorflow", fork=False),
        Limits(work.jobs, options.timeout, *parse_budget(options.budget)),
        launch.environment(program, options.python, options.device, options.backend),
        Services(Pace(), sandboxed, room=Room(work.jobs, most), trainer=trainer),
        dict(zip(work.names, work.programs, strict=True)),
        fingerprint=hello.fingerprints[0],
    )
    _go_on(work, hello, sandboxed, trainer)
    return {**hello.facts, "variables": variables.describe(os.environ)}


def _go_on(work: Work, hello: Hello, sandboxed: Sandboxed, trainer: Trainer) -> None:
    session, options = work.session, work.options
    assert session.runner is not None
    identity = session.identity(
        hello,
        options.seed,
        "spread",
        arguments=" ".join(map(launch.digest_of, work.programs)),
        options={
            "--backend": options.backend,
            "--device": options.device,
            "--by-source": options.by_source,
            "--seed-args": launch.digest(work.method.given),
            "--seed-env": options.seed_env,
        },
        files=_files(work),
    )
    session.go_on(identity, launch.ended_by_script, sandboxed.take_up)
    trainer.remember(list(session.runner.finished.values()))
    launch.remove_unfinished(session.runner)


def _files(work: Work) -> dict[str, tuple[int, int, int]]:
    """Return the program's files, without those that this command writes there."""
    reports = {Path(os.path.realpath(path)) for path in work.reports}
    root = Path(os.path.realpath(work.programs[0].root))
    return {
        name: status
        for name, status in listing(root).items()
        if not stat.S_ISDIR(status[1])
        and root / name not in reports
        and not (root / name).is_relative_to(work.session.folder.path)
    }


def _seeded(work: Work, conditions: Sequence[Sequence[Condition]]) -> Experiment[None]:
    """Run the conditions of each program, beginning with two: if these end on the same weights
    although their seeds differ, or on no number, no other is run.
    """
    first = [[Trial(one, 0) for one in own[:2]] for own in conditions]
    again = Trial(conditions[0][0], 1)  # the first seed once more: do its runs repeat?
    found = yield [again, *(trial for trials in first for trial in trials)]
    for trials in first:
        runs = [found[trial] for trial in trials]
        if not any(map(work.read, runs)) or _is_ignored(runs, _seeding_of(runs, work.method)):
            return
    # Equal seeds side by side: what interrupts them leaves whole pairs
    remaining = zip(*(own[2:] for own in conditions), strict=True)
    rest = [Trial(one, 0) for with_one_seed in remaining for one in with_one_seed]
    if not rest:
        return
    longest = max(run.outcome.seconds for run in found.values())
    left = longest * len(rest) / work.jobs
    work.session.emit(
        Notice(f"One run takes {duration(longest)}, so the others take about {duration(left)}.")
    )
    work.session.emit(Expected(len(found) + len(rest), left))
    yield rest


def _seeding_of(runs: Collection[Finished], method: Seeding) -> Seeding:
    """Return how the runs were seeded, with the calls that were observed."""
    if method.how != CALLS:
        return method
    return replace(method, calls=_calls(runs, True), constants=_calls(runs, False))


def _with_constants(method: Seeding, program: Program) -> Seeding:
    """Return how runs were seeded, with the seeds of the script that stayed as they are."""
    if method.how != CALLS:
        return method
    changed = {(one.file, one.line) for one in method.calls}
    stayed = [one for one in seeding.constants(program) if (one.file, one.line) not in changed]
    return replace(method, constants=(*method.constants, *stayed))


def _repeats(runs: Collection[Finished], read: Results) -> bool | None:
    """Whether the two runs with the first seed end alike; None if there are not two."""
    again = [run.trial.condition for run in runs if run.trial.draw]
    same = [run for run in runs if run.trial.condition in again and run.outcome.completed]
    return identical(same, read) == len(same) if len(same) > 1 else None


def _is_ignored(runs: Collection[Finished], method: Seeding) -> bool:
    """Whether runs with different seeds have trained the same weights, bit for bit. Equal output
    says less: an accuracy may be equal by chance.
    """
    completed = [run for run in runs if run.outcome.completed]
    seeds = {run.trial.condition.seed for run in completed}
    return len(seeds) > 1 and same_weights(completed) and not method.is_free


def _calls(runs: Collection[Finished], changed: bool) -> tuple[SeedCall, ...]:
    """Return the calls that seed a generator, those whose seed was ``changed`` or the others, in
    the order of the first run that has any.
    """
    for run in runs:
        if run.trace is None:
            continue
        root = Path(run.trace.request.orders.root).resolve()
        found = {
            SeedCall(launch.relative(one.file, root), one.line, one.function): None
            for one in run.trace.sites().seeds
            if one.reaches is changed
        }
        if found:
            return tuple(found)
    return ()

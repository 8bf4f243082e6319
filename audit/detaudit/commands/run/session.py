"""One ``detaudit run``: asks the interpreter for its facts, then runs the investigation over a
runner.
"""

import os
import re
import shutil
import stat
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from detaudit_probes.placebos import PLACEBOS
from detaudit_probes.protocol import Orders

from detaudit.commands.run.attribute import backend_of
from detaudit.commands.run.case import Case, Investigation
from detaudit.commands.run.findings import TRAINING, Isolation, RunAudit
from detaudit.commands.run.forecast import Forecast, predict
from detaudit.commands.run.investigate import PAIRS, investigate
from detaudit.core.condition import Condition
from detaudit.core.durations import duration
from detaudit.core.events import Emit, Notice
from detaudit.core.experiment import Finished
from detaudit.core.sentences import capitalized, number
from detaudit.errors import UsageError
from detaudit.execution import claims
from detaudit.execution import resume as resume_file
from detaudit.execution.audit import Session, session
from detaudit.execution.host import Hello, Interpreter
from detaudit.execution.interpreter import ask
from detaudit.execution.limits import RUN_SECONDS, Limits, parse_budget
from detaudit.execution.program import launch, trackers, trainer
from detaudit.execution.program.forks import NO_FORKS, Forks
from detaudit.execution.program.nests import Nests
from detaudit.execution.program.process import Pace, Room, Services
from detaudit.execution.program.program import Program, listing
from detaudit.execution.program.sandboxed import Sandboxed, written_by
from detaudit.execution.program.trainer import Trainer
from detaudit.execution.runner import Runner, default_jobs
from detaudit.execution.sandbox.choice import Choice, choose
from detaudit.execution.sandbox.errors import SandboxFailed, StateGone
from detaudit.execution.sandbox.view import IN_PLACE, OVERLAY
from detaudit.execution.workspace import SHORT, Workspace
from detaudit.machine import variables as environment
from detaudit.registry import base

INTERRUPTED = "interrupted"
MOST_NAMES = 50  # files written by runs
SEARCHED = 70  # approximate number of runs if the cause is searched for


@dataclass(frozen=True)
class Options:
    """The user's options, which are in the report."""

    python: str
    backend: str | None = None
    device: str = "auto"
    pairs: int | None = None
    jobs: int | None = None
    timeout: float = RUN_SECONDS
    budget: str | None = None
    seed: int = 1
    stop_after: str | None = None
    every: int = 1
    isolation: str | None = None
    online: bool = False
    keep: str | None = None
    keep_environment: bool = False
    strict: bool = False
    depth: str = "op"
    cost: bool | None = None
    search: bool = True
    fix: bool = False
    probes: tuple[str, ...] = ()


def check_stop_after(given: str | None) -> str | None:
    """Return ``--stop-after`` as it was given: a number of steps, or of seconds with an ``s``.
    Raises UsageError.
    """
    if given is not None and not re.fullmatch(r"[1-9]\d*|(?!0+(\.0+)?s)\d+(\.\d+)?s", given):
        raise UsageError(
            f"--stop-after takes a number of steps (200), or of seconds (60s), not {given!r}."
        )
    return given


def run(
    program: Program,
    options: Options,
    emit: Emit,
    resume: str | Path | None = None,
    reports: Collection[Path] = (),
) -> RunAudit:
    """Investigate the program. If interrupted, return the findings so far, saved for ``resume``.

    Raises UsageError and EnvironmentUnusable. ``reports`` are files that are written for the
    user; if they are below the program's folder, they do not belong to the program.
    """
    with session(emit, resume, SHORT) as work:
        audit = _Run(program, options, work, reports).audit()
        whole = not audit.interrupted and audit.failure is None and audit.resume is None
        if options.keep is not None and whole:
            # It is not resumed, and contains a digest of every variable
            (work.folder.path / resume_file.FILE).unlink(missing_ok=True)
            problem = _move_traces(work.folder, Path(options.keep).absolute())
            if problem:
                emit(Notice(problem))
                audit = replace(audit, notes=(*audit.notes, problem))
    return audit


def _move_traces(work: Workspace, keep: Path) -> str:
    """Move the traces of an audit to ``keep``, which may be on another file system. Return why that
    failed, and where they are then; else an empty string.
    """
    try:
        keep.mkdir(mode=0o700, parents=True, exist_ok=True)
        keep.chmod(0o700)
        for path in sorted(work.path.iterdir()):
            # The file for --resume contains a digest of every variable, and nobody asked to keep it
            if path.name not in (claims.LOCK, resume_file.FILE):
                shutil.move(path, keep / path.name)
    except OSError as error:
        work.kept = True
        return (
            f"the traces could not be moved to {keep}: {error.strerror or error}; they are kept in "
            f"{work.path}"
        )
    return ""


class _Run:
    """One execution of the command."""

    def __init__(
        self, program: Program, options: Options, work: Session, reports: Collection[Path]
    ) -> None:
        self.program, self.options, self.session, self.emit = program, options, work, work.emit
        self.reports = [Path(os.path.realpath(path)) for path in reports]
        #: Keras' own choice, if the script makes none; the runs show which backend the script used.
        self.backend = options.backend or os.environ.get("KERAS_BACKEND") or "tensorflow"
        # Two trainings at a time may not fit on one card.
        self.jobs = options.jobs or (1 if work.on_gpu(options.device) else default_jobs())
        self.forks = NO_FORKS
        self.trainer = Trainer()
        self.so_far: list[RunAudit] = []
        self.written: set[str] = set()

    def audit(self) -> RunAudit:
        files, choice, audit = {}, None, self._empty_audit({})
        with self.session.attended():
            forecast = _forecast(self.options).announcement(self.program.title)
            rest = "Files that it writes outside its folder are really written, in every run."
            self.emit(Notice(f"{forecast}. {rest}"))
            if self.program.not_run:
                self.emit(Notice(f"{capitalized(self.program.not_run)}."))
            if self.options.budget is not None:
                self.emit(Notice(_describe_budget(self.options.budget)))
            files = self._listing()
            hello = ask(self.options.python)
            choice = choose(
                self.program.root,
                self.session.folder.path,
                self.options.isolation,
                self.program.beside,
            )
            self.sandboxed = Sandboxed(choice.sandbox)
            self.session.ending.callback(
                lambda: launch.close(self.sandboxed.sandbox, self.session.folder.kept, self.emit)
            )
            self.forks = Forks(reason=self._why_no_forks())
            self.runner = self._start(hello.fingerprints[0])
            audit = self._empty_audit(hello.facts)
            self.emit(Notice(launch.describe_isolation(choice, self.program)))
            self._continue_saved(hello, files)
            audit = self._without_skipped(self._investigate(audit))
            self.session.undecided = audit.reproducible is None and bool(audit.own_fault)
        known = self.so_far[-1] if self.so_far else audit
        failure = self.session.failure
        if self.session.interrupted:
            audit = _end_early(known, INTERRUPTED)
        elif failure is not None:
            audit = _end_early(known, f"the audit ended ({failure.reason})")
            audit = replace(audit, own_fault=True)
        trials = self.session.trials()
        facts = {
            "framework": {"backend": backend_of(trials) or self.backend},
            **launch.imported(trials),
        }
        isolation = Isolation()
        if choice is not None:
            isolation = self._isolation(choice, files, trials)
        audit = replace(
            audit,
            output=_first_output(trials),
            notes=(
                *audit.notes,
                *filter(None, (self.program.not_run, self._trainer_of(trials))),
                *_notes(trials, self.options.online),
                *_of_forks(self.forks),
            ),
            isolation=isolation,
            environment={**audit.environment, **facts},
        )
        return self.session.complete(audit)

    def _empty_audit(self, facts: Mapping[str, Any]) -> RunAudit:
        return RunAudit(
            program=self.program.title,
            options={**asdict(self.options), "jobs": self.jobs},
            reproducible=None,
            reason="not decided",
            environment={**facts, "variables": environment.describe(os.environ)},
            strict=self.options.strict,
            arguments=self.program.arguments,
        )

    def _continue_saved(self, hello: Hello, files: Mapping[str, tuple[int, int, int]]) -> None:
        """Continue with the runs of a saved audit of the same script."""
        options, program = self.options, self.program
        identity = self.session.identity(
            hello,
            options.seed,
            "run",
            arguments=launch.digest_of(program),
            options={
                "--backend": options.backend,
                "--device": options.device,
                "--isolation": self.sandboxed.sandbox.kind,
                "--online": options.online,
            },
            files={name: status for name, status in files.items() if not stat.S_ISDIR(status[1])},
        )
        self.session.go_on(identity, launch.ended_by_script, self.sandboxed.take_up)
        self.trainer.remember(list(self.runner.finished.values()))
        launch.remove_unfinished(self.runner)

    def _listing(self) -> dict[str, tuple[int, int, int]]:
        """Return the program's files, without those that this command writes there."""
        found = listing(self.program.root)
        return {name: status for name, status in found.items() if not self._is_ours(name)}

    def _is_ours(self, name: str) -> bool:
        path = Path(os.path.realpath(self.program.root), name)
        return path in self.reports or path.is_relative_to(self.session.folder.path)

    def _investigate(self, blank: RunAudit) -> RunAudit:
        """Return the findings of the investigation, or what was known when it ended early."""
        script_sources = base.script_sources().values()
        known = {pin.id: pin for source in script_sources for pin in source.pins}
        self.so_far.append(blank)
        began = time.monotonic()
        case = Case(
            program=self.program,
            unpinned=self._unpinned(),
            known=known,
            sources=tuple(source for source in script_sources if source.script is not None),
            pins=base.unset_script_pins(os.environ),
            pairs=self.options.pairs,
            search=self.options.search,
            emit=self.emit,
            alone=self._run_one_at_a_time,
            changed=lambda: tuple(sorted(self.written))[:MOST_NAMES],
            known_so_far=self.so_far.append,
            depth=self.options.depth,
            cost=self.options.cost,
            runs=lambda: len(self.runner.finished),
            jobs=lambda: self.runner.limits.jobs,
            forks=self.forks,
            budget=parse_budget(self.options.budget)[0],
            spent=lambda: time.monotonic() - began,
        )
        why = "the budget ran out"
        try:
            audit = self._run_investigation(case, blank)
        except SandboxFailed as error:
            if not self.runner.finished:
                raise
            audit, why = None, str(error).rstrip(".")
        return audit if audit is not None else _end_early(self.so_far[-1], why)

    def _run_investigation(self, case: Case, blank: RunAudit) -> RunAudit | None:
        """Return the findings of the investigation; None if the budget is spent before.

        A resumed investigation may request a run that starts with a state that is no longer kept.
        Then that state is created again, and so is everything that depends on it.
        """
        try:
            return self.session.ask(self._with_written_files(investigate(case, blank)))
        except StateGone:
            if self.session.saved is None:
                raise
        self.emit(
            Notice("The files that runs of the saved audit left are gone: these runs are repeated.")
        )
        self.session.go_back(self.sandboxed.begin_anew(self.runner.finished))
        return self.session.ask(self._with_written_files(investigate(case, blank)))

    def _with_written_files(self, investigation: Investigation) -> Investigation:
        """Run the investigation, and add the files that its runs wrote to ``written``."""
        try:
            trials = next(investigation)
            while True:
                finished = yield trials
                for run in finished.values():
                    self.written.update(written_by(run))
                trials = investigation.send(finished)
        except StopIteration as end:
            return end.value

    def _isolation(
        self, choice: Choice, before: Mapping[str, Any], trials: Sequence[Finished]
    ) -> Isolation:
        elsewhere: set[str] = set()
        for trial in trials:
            if trial.trace is not None:
                elsewhere.update(trial.trace.measures.files.elsewhere)
        after = self._listing()
        changed = sorted(
            name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
        )
        return Isolation(
            choice.sandbox.kind,
            choice.reason,
            getattr(choice.sandbox, "left_out", ())[:MOST_NAMES],
            tuple(sorted(elsewhere))[:MOST_NAMES],
            tuple(changed)[:MOST_NAMES],
        )

    def _start(self, fingerprint: str) -> Runner:
        jobs = 1 if self.options.isolation == IN_PLACE else self.jobs
        services = Services(
            Pace(),
            self.sandboxed,
            self.options.online,
            self.options.keep_environment,
            Room(jobs, self._most_runs()),
            self.trainer,
        )

        return launch.start(
            self.session,
            self.program,
            Interpreter(self.options.python, self.backend, fork=False),
            Limits(jobs, self.options.timeout, *parse_budget(self.options.budget)),
            launch.environment(
                self.program, self.options.python, self.options.device, self.options.backend
            ),
            services,
            fingerprint=fingerprint,
            program_nests=Nests(self.program, self.forks, services),
        )

    def _without_skipped(self, audit: RunAudit) -> RunAudit:
        """Decide nothing of a notebook that matches without a training step, if skipped lines may
        train.
        """
        hidden = audit.reproducible and audit.judged_by != TRAINING and self.program.skips_programs
        if not hidden:
            return audit
        why = "skipped lines of the notebook run programs, and no training step was observed"
        return replace(audit, reproducible=None, reason=why)

    def _trainer_of(self, trials: Sequence[Finished]) -> str:
        """Return a sentence on the process that is judged, if that is not evident."""
        evident = not self.program.words and not trainer.is_another(trials)
        return "" if evident else trainer.described(trials)

    def _why_no_forks(self) -> str:
        """Return why no run can go on from a fork of the script; empty if nothing is known yet."""
        if self.session.on_gpu(self.options.device):
            return "it may use a GPU"
        if self.sandboxed.sandbox.kind != OVERLAY:
            return "its folder has no overlay"
        if self.program.words:
            return "it is a shell command"
        return ""

    def _most_runs(self) -> int:
        """Return approximately how many runs there may be."""
        return SEARCHED if self.options.search else 2 * (self.options.pairs or 3)

    def _unpinned(self) -> Condition:
        orders = Orders(every=self.options.every)
        after = self.options.stop_after
        if after is not None and after.endswith("s"):
            orders = orders._replace(stop_seconds=float(after[:-1]))
        elif after is not None:
            orders = orders._replace(stop_steps=int(after))
        return Condition(
            self.backend,
            self.options.device,
            self.program.title,
            self.options.seed,
            orders=orders,
        )

    def _run_one_at_a_time(self) -> None:
        """Do not run trials side by side if some write where others read."""
        self.runner.limits = replace(self.runner.limits, jobs=1)


def _end_early(so_far: RunAudit, why: str) -> RunAudit:
    """Return what was known when the investigation ended early."""
    if so_far.reproducible is None:
        return replace(so_far, reason=why if why == INTERRUPTED else f"{why} before it was decided")
    if so_far.fix is not None or so_far.no_fix_reason:
        return replace(so_far, no_cost_reason=f"{why} before every pin was timed")
    missing = "a fix was verified" if so_far.causes else "a cause was confirmed"
    return replace(
        so_far,
        reason=f"{so_far.reason}; {why} before {missing}",
        no_fix_reason=f"{why} before a fix was verified",
    )


def _notes(trials: Sequence[Finished], online: bool) -> tuple[str, ...]:
    """Return sentences on settings that do nothing, in the environment and in the script, and on
    processes that were not recorded.
    """
    unpinned = [
        run.trace for run in trials if run.trace is not None and not run.trial.condition.pins
    ]
    ids = {name for trace in unpinned for name in trace.measures.placebos}
    own = tuple(
        f"the script contains a placebo: {placebo.title}. It does not pin {placebo.claims} (detaudit "
        f"scan shows this)"
        for placebo in PLACEBOS
        if placebo.id in ids
    )
    offline = (
        () if online else trackers.notes(launch.trackers_of(trials), "; --online lets it upload")
    )
    return (*environment.warnings(os.environ), *own, *offline, *_not_recorded(trials))


def _of_forks(forks: Forks) -> tuple[str, ...]:
    note = forks.note()
    return (note,) if note else ()


def _not_recorded(trials: Sequence[Finished]) -> tuple[str, ...]:
    """Return a sentence on Python processes of the script that are not recorded, if any are not."""
    traces = [trial.trace for trial in trials if trial.trace is not None]
    most = max((trace.unrecorded_processes() for trace in traces), default=0)
    if not most:
        return ()
    sentence = (
        f"up to {most} further Python processes of the script get the same pins, but are not recorded: "
        f"forked ones, workers of a pool, or too many"
    )
    return (sentence,)


def _first_output(trials: Sequence[Finished]) -> str:
    """Return what the first run wrote to its standard output, at most a megabyte of it."""
    first = trials[0].trace if trials else None
    return first.stdout(1_000_000).decode("utf-8", "replace") if first is not None else ""


def _forecast(options: Options) -> Forecast:
    """Return how often the program will run, as far as it is known before the first run."""
    return predict(options.pairs or PAIRS[0][1], options.search, bool(options.cost))


def _describe_budget(budget: str) -> str:
    seconds, runs = parse_budget(budget)
    limit = number(runs, "run") if runs is not None else duration(seconds or 0.0)
    return f"No new run starts after {limit} (--budget); the report then says what is not decided."

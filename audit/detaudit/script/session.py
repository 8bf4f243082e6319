"""One ``detaudit run``: the interpreter is asked who it is, then the investigation runs over a
runner.
"""

import contextlib
import os
import re
import shutil
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from detaudit_probes import protocol, sources
from detaudit_probes.placebos import PLACEBOS
from detaudit_probes.protocol import Orders

from detaudit import base, environment, gpu, machine
from detaudit.condition import Condition
from detaudit.core.experiment import Asking, Finished
from detaudit.errors import UsageError
from detaudit.events import Emit, Told
from detaudit.execution.host import Hello, Interpreter
from detaudit.runner import Limits, Runner, default_jobs
from detaudit.sandbox import in_place
from detaudit.sandbox.choice import Choice, choose
from detaudit.sandbox.errors import SandboxFailed
from detaudit.sandbox.view import COPY, IN_PLACE, OVERLAY
from detaudit.script import trackers
from detaudit.script.attribute import backend_of
from detaudit.script.case import Case
from detaudit.script.findings import Isolation, RunAudit
from detaudit.script.investigate import investigate
from detaudit.script.program import Pace, Process, Program, Sandboxed, listing
from detaudit.under_test import ask
from detaudit.workspace import RUNS, SHORT, Workspace, workspace

INTERRUPTED = "interrupted"
MOST_NAMES = 50  # of files that runs have written


@dataclass(frozen=True)
class Options:
    """What the user asked for; it stands in the report."""

    python: str
    backend: str | None = None
    device: str = "auto"
    pairs: int | None = None
    jobs: int | None = None
    timeout: float = 600.0
    budget: str | None = None
    seed: int = 1
    stop_after: str | None = None
    every: int = 1
    isolation: str | None = None
    online: bool = False
    keep: str | None = None
    strict: bool = False
    depth: str = "op"
    price: bool | None = None
    search: bool = True


def stop(given: str | None) -> str | None:
    """``--stop-after``, checked: a number of steps, or of seconds with an ``s``. Raises
    UsageError.
    """
    if given is not None and not re.fullmatch(r"[1-9]\d*|\d+(\.\d+)?s", given):
        raise UsageError(
            f"--stop-after takes a number of steps (200), or of seconds (60s), not {given!r}."
        )
    return given


def spent(given: str | None) -> tuple[float | None, int | None]:
    """``--budget`` as (seconds, runs), one of them None. Raises UsageError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(s|runs)?", given) if given is not None else None
    if given is not None and (found is None or not float(found[1])):
        raise UsageError(
            f"--budget takes seconds (600), or runs of the script (40runs), not {given!r}."
        )
    if found is None:
        return None, None
    return (None, int(float(found[1]))) if found[2] == "runs" else (float(found[1]), None)


def budget(given: str | None) -> str | None:
    """``--budget``, checked. Raises UsageError."""
    spent(given)
    return given


def run(program: Program, options: Options, emit: Emit) -> RunAudit:
    """Investigate the program. Raises UsageError and EnvironmentUnusable."""
    began, clock = datetime.now(timezone.utc).isoformat(timespec="seconds"), time.monotonic()
    before = gpu.snapshot()
    for restored in in_place.recover():
        emit(Told(_recovered(restored)))
    keep = Path(options.keep).absolute() if options.keep else None
    with workspace(prefix=SHORT) as folder:
        folder.kept = keep is not None
        audit = _Run(
            program, options, folder, emit, on_gpu=options.device != "cpu" and gpu.present(before)
        ).audit()
        if keep is not None:
            os.makedirs(keep.parent, exist_ok=True)
            shutil.move(folder.path, keep)  # to another file system, perhaps
    return replace(
        audit,
        began=began,
        seconds=time.monotonic() - clock,
        machine={**machine.describe(), "gpu": gpu.report(before, gpu.snapshot())},
    )


class _Run:
    """One run of the command while it is being done."""

    def __init__(
        self, program: Program, options: Options, folder: Workspace, emit: Emit, on_gpu: bool
    ) -> None:
        self.program, self.options, self.folder, self.emit = program, options, folder, emit
        self.runner: Runner | None = None
        #: As Keras chooses it, where the script does not; what it took is seen in its runs.
        self.backend = options.backend or os.environ.get("KERAS_BACKEND") or "tensorflow"
        # Two trainings at a time may not find room on one card.
        self.jobs = options.jobs or (1 if on_gpu else default_jobs())

    def audit(self) -> RunAudit:
        self.emit(Told(_forecast(self.program.title, self.options)))
        hello = ask(self.options.python)
        before = listing(self.program.root)
        choice = choose(
            self.program.root, self.folder.path, self.options.isolation, self.program.beside
        )
        self.sandboxed = Sandboxed(choice.sandbox)
        with contextlib.ExitStack() as ending:
            ending.callback(self._end)
            self.emit(Told(_announced(choice, self.program)))
            audit, interrupted = self._investigated(hello)
        runner = self.runner
        assert runner is not None
        trials = tuple(sorted(runner.finished.values(), key=lambda one: one.number))
        seen = {"framework": {"backend": backend_of(trials) or self.backend}}
        notes = audit.notes + _notes(trials, self.options.online)
        return replace(
            audit,
            output=_printed(runner),
            trials=trials,
            notes=notes,
            isolation=self._isolation(choice, before, trials),
            cut=runner.cut,
            interrupted=interrupted,
            environment={**audit.environment, **seen},
        )

    def _investigated(self, hello: Hello) -> tuple[RunAudit, bool]:
        """What the investigation showed, or what was known when it ended early; and whether it was
        interrupted.
        """
        known = {pin.id: pin for source in base.script_sources().values() for pin in source.pins}
        runner = self.runner = self._runner(hello.fingerprints[0])
        blank = RunAudit(
            program=self.program.title,
            options=self._replayable(),
            reproducible=None,
            reason="not decided",
            environment={**hello.facts, "variables": environment.describe(os.environ)},
            strict=self.options.strict,
        )
        so_far = [blank]
        case = Case(
            program=self.program,
            loose=self._loose(),
            known=known,
            sources=tuple(one for one in base.script_sources().values() if one.script is not None),
            pins=self._pins(),
            pairs=self.options.pairs,
            search=self.options.search,
            emit=self.emit,
            alone=self._alone,
            changed=lambda: tuple(sorted(self.sandboxed.written))[:MOST_NAMES],
            known_so_far=so_far.append,
            depth=self.options.depth,
            price=self.options.price,
            backend=self.backend,
        )
        asking = Asking(investigate(case, blank))
        why, interrupted = "the budget ran out", False
        try:
            runner.run([asking])
        except KeyboardInterrupt:
            why, interrupted = INTERRUPTED, True
        except SandboxFailed as error:
            if not runner.finished:
                raise
            why = str(error).rstrip(".")
        return (asking.finding if asking.done else _cut(so_far[-1], why)), interrupted

    def _end(self) -> None:
        """End what runs, and leave the folder as it was: a further Ctrl-C must not stop half
        way.
        """
        with undisturbed():
            if self.runner is not None:
                self.runner.close()
            try:
                self.sandboxed.sandbox.close()
            except SandboxFailed as error:  # what is known is still reported; the journal is kept
                self.emit(Told(str(error)))
            replaced = getattr(self.sandboxed.sandbox, "replaced", None)
            if replaced is not None:
                self.emit(
                    Told(
                        "What changed in the folder during the audit, by its runs or by you, is kept in "
                        f"{replaced}."
                    )
                )

    def _isolation(
        self, choice: Choice, before: Mapping[str, Any], trials: Sequence[Finished]
    ) -> Isolation:
        elsewhere = {
            path
            for trial in trials
            if trial.trace is not None
            for path in trial.trace.measures.files.elsewhere
        }
        after = listing(self.program.root)
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

    def _runner(self, fingerprint: str) -> Runner:
        jobs = 1 if self.options.isolation == IN_PLACE else self.jobs
        limits = Limits(jobs, self.options.timeout, *spent(self.options.budget))

        pace = Pace()

        def open_process(
            interpreter: Interpreter, control: Path, variables: Mapping[str, str]
        ) -> Process:
            return Process(
                self.program,
                interpreter,
                control,
                variables,
                pace,
                self.sandboxed,
                self.options.online,
            )

        return Runner(
            Interpreter(self.options.python, self.backend, fork=False),
            limits,
            self.folder.path / RUNS,
            self._environment(),
            fingerprint=fingerprint,
            keep_bytes=False,
            emit=self.emit,
            open_host=open_process,
        )

    def _environment(self) -> dict[str, str]:
        """The user's own: it is their program that is run."""
        own = dict(os.environ)
        if self.options.device == "cpu":
            own["CUDA_VISIBLE_DEVICES"] = "-1"
        if self.options.backend is not None:
            own["KERAS_BACKEND"] = self.options.backend
        return own

    def _loose(self) -> Condition:
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

    def _pins(self) -> tuple[str, ...]:
        pins = list(sources.SCRIPT_PINS)
        if os.environ.get("PYTHONHASHSEED", "random") != "random":
            pins.remove("hash-seed")  # the user's own environment holds it
        return tuple(pins)

    def _alone(self) -> None:
        """Trials that write where others read must not run side by side."""
        assert self.runner is not None
        self.runner.limits = replace(self.runner.limits, jobs=1)

    def _replayable(self) -> dict[str, Any]:
        return {**asdict(self.options), "jobs": self.jobs}


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Ignore what would interrupt, for a moment."""
    kept = {}
    with contextlib.suppress(
        ValueError
    ):  # in another thread than the first one signals are not ours to set
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            kept[number] = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _cut(so_far: RunAudit, why: str) -> RunAudit:
    """What was known when the investigation ended before its end."""
    if so_far.reproducible is None:
        return replace(so_far, reason=why if why == INTERRUPTED else f"{why} before it was decided")
    if so_far.fix is not None or so_far.no_fix:
        return replace(so_far, no_price=f"{why} before every pin was timed")
    missing = "a fix was tried" if so_far.causes else "the cause was found"
    return replace(
        so_far,
        reason=f"{so_far.reason}; {why} before {missing}",
        no_fix=f"{why} before a fix was tried",
    )


def _notes(trials: Sequence[Finished], online: bool) -> tuple[str, ...]:
    """Sentences on settings that do nothing, in the environment and in the script, and on processes
    not watched.
    """
    loose = [one.trace for one in trials if one.trace is not None and not one.trial.condition.pins]
    ids = {name for trace in loose for name in trace.measures.placebos}
    own = tuple(
        f"a placebo is in the script: {one.title}. It does not hold {one.claims} (detaudit scan shows it)"
        for one in PLACEBOS
        if one.id in ids
    )
    imported = {
        name for one in trials if one.trace is not None for name in one.trace.measures.trackers
    }
    offline = () if online else trackers.notes(imported)
    return environment.warnings(os.environ) + own + offline + _unwatched(trials)


def _unwatched(trials: Sequence[Finished]) -> tuple[str, ...]:
    """A sentence on Python processes that the script starts, where it starts some."""
    paths = [one.trace.folder / protocol.PROCESSES_FILE for one in trials if one.trace is not None]
    most = max((len(path.read_text().split()) for path in paths if path.exists()), default=0)
    return (
        (
            f"the script starts or forks processes, up to {most} in one run: those that run Python are pinned as it "
            f"is, but not watched",
        )
        if most
        else ()
    )


def _printed(runner: Runner) -> str:
    """What the first run wrote to its standard output, at most a megabyte of it."""
    first = min(runner.finished.values(), key=lambda one: one.number, default=None)
    path = first.trace.folder / "stdout" if first is not None and first.trace is not None else None
    return (
        path.read_bytes()[:1_000_000].decode("utf-8", "replace")
        if path is not None and path.exists()
        else ""
    )


def _recovered(restored: in_place.Restored) -> str:
    """What became of a folder in which an audit was killed."""
    said = [f"An audit of {restored.root} was killed."]
    if restored.names:
        said.append(f"Restored: {_listed(restored.names)}.")
    if restored.where is not None:
        said.append(f"What was there in their place is kept in {restored.where}.")
    if restored.left:
        said.append(f"Changed since, and left as it is: {_listed(restored.left)}.")
    return " ".join([*said, *([restored.problem] if restored.problem else [])])


def _listed(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _forecast(title: str, options: Options) -> str:
    """How often the program will run, before the first run."""
    few, many = 2 * (options.pairs or 3), 50 if options.price is False else 70
    rest = (
        f"; where its runs differ, some {many} times, or more if they differ rarely"
        if options.search
        else ""
    )
    return f"{title} will run some {few} times{rest}. What it writes outside of its folder is written each time."


def _announced(choice: Choice, program: Program) -> str:
    """What becomes of the user's folder, before the first run."""
    kind, root = choice.sandbox.kind, program.root
    if kind == OVERLAY:
        return "Each run sees its folder through an overlay: what it writes there is thrown away."
    others = ", ".join(map(str, program.beside))
    away = f" Not protected, though the script may take it for its own: {others}." if others else ""
    if kind == COPY:
        reason = f", for {choice.reason}" if choice.reason else ""
        return (
            f"Each run works in a copy of its folder{reason}: an absolute path still leads to the folder "
            f"itself.{away}"
        )
    return (
        f"Runs write into {root} itself, one at a time. It was saved and is restored after each; if the audit is "
        f"killed, the next `detaudit run` restores it. Do not edit it meanwhile.{away}"
    )

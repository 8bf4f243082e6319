"""One ``detaudit run``: the interpreter is asked who it is, then the investigation runs over a runner."""
import os
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from detaudit_probes import protocol, sources
from detaudit_probes.placebos import PLACEBOS

from detaudit import base, environment, gpu, machine
from detaudit.condition import Condition
from detaudit.errors import UsageError
from detaudit.events import Emit, Told
from detaudit.nests import Interpreter
from detaudit.runner import Asking, Finished, Limits, Runner, default_jobs
from detaudit.script.attribute import backend_of
from detaudit.script.case import Case
from detaudit.script.findings import RunAudit
from detaudit.script.investigate import investigate
from detaudit.script.program import Pace, Process, Program, listing
from detaudit.under_test import ask
from detaudit.workspace import Workspace, workspace


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
    copy: bool = False
    keep: str | None = None
    strict: bool = False
    depth: str = "op"
    price: bool | None = None
    search: bool = True


def stop(given: str | None) -> str | None:
    """``--stop-after``, checked: a number of steps, or of seconds with an ``s``. Raises UsageError."""
    if given is not None and not re.fullmatch(r"[1-9]\d*|\d+(\.\d+)?s", given):
        raise UsageError(f"--stop-after takes a number of steps (200), or of seconds (60s), not {given!r}.")
    return given


def spent(given: str | None) -> tuple[float | None, int | None]:
    """``--budget`` as (seconds, runs), one of them None. Raises UsageError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(s|runs)?", given) if given is not None else None
    if given is not None and (found is None or not float(found[1])):
        raise UsageError(f"--budget takes seconds (600), or runs of the script (40runs), not {given!r}.")
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
    keep = Path(options.keep).absolute() if options.keep else None
    with workspace() as folder:
        folder.kept = keep is not None
        audit = _Run(program, options, folder, emit, on_gpu=options.device != "cpu" and gpu.present(before)).audit()
        if keep is not None:
            os.makedirs(keep.parent, exist_ok=True)
            os.rename(folder.path, keep)
    return replace(audit, began=began, seconds=time.monotonic() - clock,
                   machine={**machine.describe(), "gpu": gpu.report(before, gpu.snapshot())})


class _Run:
    """One run of the command while it is being done."""

    def __init__(self, program: Program, options: Options, folder: Workspace, emit: Emit,
                 on_gpu: bool) -> None:
        self.program, self.options, self.folder, self.emit = program, options, folder, emit
        self.runner: Runner | None = None
        #: As Keras chooses it, where the script does not; what it took is seen in its runs.
        self.backend = options.backend or os.environ.get("KERAS_BACKEND") or "tensorflow"
        # Two trainings at a time may not find room on one card.
        self.jobs = options.jobs or (1 if on_gpu else default_jobs())

    def audit(self) -> RunAudit:
        few, many = 2 * (self.options.pairs or 3), 50 if self.options.price is False else 70
        more = f"; where its runs differ, some {many} times, or more if they differ rarely"
        rest = more if self.options.search else ""
        self.emit(Told(f"{self.program.title} will run some {few} times{rest}. What it uploads or logs elsewhere is "
                       f"repeated."))
        hello = ask(self.options.python)
        known = {pin.id: pin for source in base.script_sources().values() for pin in source.pins}
        runner = self.runner = self._runner(hello["fingerprints"][0])
        blank = RunAudit(
            program=self.program.title, options=self._replayable(), reproducible=None, reason="not decided",
            environment={**hello["facts"], "variables": environment.describe(os.environ)},
            strict=self.options.strict)
        before, so_far = listing(self.program.root), [blank]
        case = Case(
            program=self.program, loose=self._loose(), known=known,
            sources=tuple(one for one in base.script_sources().values() if one.script is not None),
            pins=self._pins(), pairs=self.options.pairs, search=self.options.search, emit=self.emit, alone=self._alone,
            changed=lambda: _differing(before, listing(self.program.root)), known_so_far=so_far.append,
            depth=self.options.depth, price=self.options.price, backend=self.backend)
        asking = Asking(investigate(case, blank))
        interrupted = False
        try:
            runner.run([asking])
        except KeyboardInterrupt:
            interrupted = True
        finally:
            runner.close()
        audit = asking.finding if asking.done else _cut(so_far[-1], interrupted)
        trials = tuple(sorted(runner.finished.values(), key=lambda one: one.number))
        seen = {"framework": {"backend": backend_of(trials) or self.backend}}
        return replace(audit, output=_printed(runner), trials=trials, notes=audit.notes + _notes(trials),
                       cut=runner.cut,
                       interrupted=interrupted, environment={**audit.environment, **seen})

    def _runner(self, fingerprint: str) -> Runner:
        limits = Limits(self.jobs, self.options.timeout, *spent(self.options.budget))

        pace = Pace()

        def open_process(interpreter: Interpreter, control: Path, variables: Mapping[str, str]) -> Process:
            return Process(self.program, interpreter, control, variables, pace)

        return Runner(
            Interpreter(self.options.python, self.backend, fork=False), limits,
            Path(tempfile.mkdtemp(prefix="run-", dir=self.folder.path)), self._environment(), fingerprint=fingerprint,
            keep_bytes=False, emit=self.emit, open_nest=open_process)

    def _environment(self) -> dict[str, str]:
        """The user's own: it is their program that is run."""
        own = dict(os.environ)
        if self.options.device == "cpu":
            own["CUDA_VISIBLE_DEVICES"] = "-1"
        if self.options.backend is not None:
            own["KERAS_BACKEND"] = self.options.backend
        return own

    def _loose(self) -> Condition:
        options: dict[str, Any] = {"every": self.options.every} if self.options.every != 1 else {}
        after = self.options.stop_after
        if after is not None:
            options |= {"stop_seconds": float(after[:-1])} if after.endswith("s") else {"stop_steps": int(after)}
        return Condition(self.backend, self.options.device, self.program.title,
                         self.options.seed).with_options(options)

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


def _cut(so_far: RunAudit, interrupted: bool) -> RunAudit:
    """What was known when the investigation ended before its end."""
    why = "interrupted" if interrupted else "the budget ran out"
    if so_far.reproducible is None:
        return replace(so_far, reason=why if interrupted else f"{why} before it was decided")
    if so_far.fix is not None or so_far.no_fix:
        return replace(so_far, no_price=f"{why} before every pin was timed")
    missing = "a fix was tried" if so_far.causes else "the cause was found"
    return replace(so_far, reason=f"{so_far.reason}; {why} before {missing}", no_fix=f"{why} before a fix was tried")


def _notes(trials: Sequence[Finished]) -> tuple[str, ...]:
    """Sentences on settings that do nothing, in the environment and in the script, and on processes not watched."""
    loose = [one.trace for one in trials if one.trace is not None and not one.trial.condition.pins]
    ids = {name for trace in loose for name in trace.measures.get("placebos", ())}
    own = tuple(f"a placebo is in the script: {one.title}. It does not hold {one.claims} (detaudit scan shows it)"
                for one in PLACEBOS if one.id in ids)
    return environment.warnings(os.environ) + own + _unwatched(trials)


def _unwatched(trials: Sequence[Finished]) -> tuple[str, ...]:
    """A sentence on Python processes that the script starts, where it starts some."""
    paths = [one.trace.folder / protocol.PROCESSES_FILE for one in trials if one.trace is not None]
    most = max((len(path.read_text().split()) for path in paths if path.exists()), default=0)
    return (f"the script starts or forks processes, up to {most} in one run: those that run Python are pinned as it "
            f"is, but not watched",) if most else ()


def _printed(runner: Runner) -> str:
    """What the first run wrote to its standard output, at most a megabyte of it."""
    first = min(runner.finished.values(), key=lambda one: one.number, default=None)
    path = first.trace.folder / "stdout" if first is not None and first.trace is not None else None
    return path.read_bytes()[:1_000_000].decode("utf-8", "replace") if path is not None and path.exists() else ""


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)))[:50]

"""What every command needs around its trials: a folder, a clock, a runner, and resuming after an
interruption.
"""

import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

from detaudit.core.conclusion import Failure
from detaudit.core.condition import Condition, Trial
from detaudit.core.durations import duration
from detaudit.core.events import Closing, Emit, Expected, Notice, Phase, logged
from detaudit.core.experiment import Asking, Experiment, Finding, Finished, ask_once
from detaudit.core.outcome import UNAVAILABLE, Outcome
from detaudit.core.sentences import number
from detaudit.errors import DetauditError, EnvironmentUnusable
from detaudit.execution import clearing
from detaudit.execution.host import Hello, Interpreter
from detaudit.execution.limits import Limits
from detaudit.execution.resume import Identity, Record, Saved, load, refuse_changed
from detaudit.execution.runner import Runner
from detaudit.execution.variables import digests, environment_for_nests
from detaudit.execution.workspace import LONG, Workspace, alone, workspace
from detaudit.machine import gpu, system
from detaudit.registry import base

# Seconds, measured on two shared cores with TensorFlow 2.21 on Python 3.11
# (docs/explanation/speed.md).
TRIAL_SECONDS = 0.8
START_SECONDS = 4.0

Findings = TypeVar("Findings")


@contextlib.contextmanager
def session(
    emit: Emit, resume: str | Path | None = None, prefix: str = LONG
) -> Iterator["Session"]:
    """Begin a new audit, or with ``resume`` continue a saved one. Raises UsageError if that cannot
    be read.
    """
    began, clock = datetime.now(timezone.utc).isoformat(timespec="seconds"), time.monotonic()
    with contextlib.ExitStack() as stack:
        saved = None
        if resume:
            # The folder's real path: traces are beside it, and trials have other working folders
            path = Path(os.path.realpath(resume))
            stack.enter_context(alone(path.parent))
            saved = load(path)
        gpus = gpu.snapshot()
        emit = logged(emit)
        for sentence in clearing.clear(saved.path.parent if saved else None):
            emit(Notice(sentence))
        folder = stack.enter_context(workspace(saved.path.parent if saved else None, prefix))
        work = Session(folder, emit, gpus, saved, began=began, clock=clock)
        try:
            yield work
        finally:
            work.end()


@dataclass
class Session:
    """One audit in progress. ``gpus`` is their state before it, ``variables`` are the user's own.

    A command sets ``undecided`` if a fault of detaudit prevented a decision. ``ending`` is called
    at the end of the trials, however they end, while interruptions are blocked.
    """

    folder: Workspace
    emit: Emit
    gpus: gpu.Gpus
    saved: Saved | None = None
    variables: Mapping[str, str] = field(default_factory=lambda: os.environ)
    began: str = ""
    clock: float = field(default_factory=time.monotonic)
    interrupted: bool = False
    failure: Failure | None = None
    undecided: bool = False
    ending: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __post_init__(self) -> None:
        self.runner: Runner | None = None
        self._record: Record | None = None

    def on_gpu(self, device: str) -> bool:
        """Whether trials may train on a GPU."""
        return device == "gpu" or (device == "auto" and gpu.present(self.gpus))

    # Running trials -------------------------------------------------------------------------------

    def start(
        self,
        interpreter: Interpreter,
        limits: Limits,
        control: Path,
        variables: Mapping[str, str],
        **how: Any,
    ) -> Runner:
        """Return the runner of this audit; ``how`` as for
        :class:`detaudit.execution.runner.Runner`.
        """
        runner = Runner(interpreter, limits, control, variables, emit=self.emit, **how)
        self.runner = runner
        self.ending.callback(runner.close)
        return runner

    def start_nests(self, interpreter: Interpreter, limits: Limits) -> Runner:
        """Like :meth:`start`, for built-in trials, which write only to the audit's own folder."""
        variables = environment_for_nests(
            self.variables, base.controlled_variables(), str(self.folder.private)
        )
        return self.start(
            interpreter,
            limits,
            Path(tempfile.mkdtemp(prefix="run-", dir=self.folder.path)),
            {**variables, "KERAS_BACKEND": base.keras_backend(interpreter.backend)},
        )

    @contextlib.contextmanager
    def attended(self) -> Iterator[None]:
        """The block in which trials run. An interruption ends them; the findings so far are kept,
        and saved.

        So are they after an unexpected exception, and if the disk is full. If a saved audit is not
        decided this time either, it stays saved.
        """
        try:
            yield
            cut = self.runner is not None and self.runner.ended_early
            self.folder.kept = self.saved is not None and (cut or self.undecided)
        except KeyboardInterrupt:
            self.interrupted = True
            self.folder.kept = self.resume is not None
        except DetauditError:
            raise
        except Exception as error:
            self.failure = Failure.of(error)
            self.folder.kept = self.resume is not None
        finally:
            self.end()

    def end(self) -> None:
        """End everything that runs, once: no further interruption and no error stops this
        halfway.
        """
        with undisturbed():
            self.emit(Closing())
            try:
                if self.interrupted and self._record is not None:
                    self._record.write(self.trials())
            except OSError as error:
                self.failure = self.failure or Failure.of(error)
            try:
                self.ending.close()
            except Exception as error:  # every callback was called
                self.failure = self.failure or Failure.of(error)

    def greet(self, condition: Condition, command: str) -> Hello:
        """Start the interpreter under test, and continue a saved audit if it is still the same."""
        assert self.runner is not None
        interpreter = self.runner.interpreter
        self.emit(Phase(f"Starting {interpreter.backend} in {interpreter.path}"))
        hello = self.runner.greet(condition)
        self.runner.fingerprint = hello.fingerprints[0]
        self.go_on(self.identity(hello, condition.seed, command))
        return hello

    def ask(self, experiment: Experiment[Finding]) -> Finding | None:
        """Return the finding of the experiment; None if the budget is spent before."""
        assert self.runner is not None
        asking = Asking(experiment)
        self.runner.run([asking])
        return asking.finding

    def has_gpu(self, condition: Condition, wanted: bool) -> bool:
        """Whether the framework can use a GPU: one trial finds out, because a driver may have cards
        that this build cannot use.

        Raises EnvironmentUnusable if there is none, and one is ``wanted``.
        """
        answer = self.ask(ask_once(Trial(replace(condition, device="gpu"), 0)))
        if answer is None or answer.outcome.kind != UNAVAILABLE:
            return True
        if wanted:
            raise EnvironmentUnusable(gpu.missing(answer.outcome.reason, self.gpus))
        return False

    def forecast(
        self, doing: str, experiments: Iterable[Asking], later_runs: int, later: float
    ) -> None:
        """Report how much work is known at the start, from the first requests of every experiment.

        ``doing`` says what is done; ``later`` are the seconds of ``later_runs``, which run with
        nothing beside them.
        """
        assert self.runner is not None
        wanted = {trial.key(): trial for experiment in experiments for trial in experiment.wanted}
        environments = {(trial.variables, trial.side) for trial in wanted.values()}
        starts = len(environments) if self.runner.interpreter.fork else len(wanted)
        seconds = len(wanted) * TRIAL_SECONDS + starts * START_SECONDS
        seconds = seconds / self.runner.limits.jobs + later
        runs = len(wanted.keys() | self.runner.finished.keys()) + later_runs
        self.emit(
            Notice(
                f"{doing}: at least {number(runs, 'run')}, about {duration(seconds)} on this machine"
            )
        )
        self.emit(Expected(runs, seconds, later_runs, later))

    # Saving and resuming --------------------------------------------------------------------------

    def identity(self, hello: Hello, seed: int, command: str, **more: Any) -> Identity:
        """Return the audit's identity; ``more`` are the fields that only this command has."""
        assert self.runner is not None
        return Identity(
            command=command,
            interpreter=self.runner.interpreter.path,
            environment=hello.facts,
            fingerprint=self.runner.fingerprint,
            machine=system.identity(),
            seed=seed,
            isolate=not self.runner.interpreter.fork,
            variables=digests(self.variables),
            **more,
        )

    def go_on(
        self,
        identity: Identity,
        lasting: Callable[[Outcome], bool] = lambda outcome: outcome.completed,
        usable: Callable[[Mapping[str, Finished]], Mapping[str, Finished]] = lambda saved: saved,
    ) -> None:
        """Continue with the trials of the saved audit, if there is one, and save from now on.

        Trials whose outcome is not ``lasting`` are run again, and so are saved ones that ``usable``
        omits. Raises UsageError if the audit is not the same.
        """
        assert self.runner is not None
        if self.saved is not None:
            refuse_changed(self.saved, identity)
            self.runner.take_up(usable(self.saved.finished))
            self.emit(Notice(f"Reusing {number(len(self.runner.finished), 'finished trial')}"))
        self._record = Record(self.folder.path, identity, lasting)
        self._record.write(self.trials())
        self.runner.keep = self._record.add

    def go_back(self, finished: Mapping[str, Finished]) -> None:
        """Keep only these of the finished trials for the audit."""
        assert self.runner is not None
        self.runner.go_back(finished)
        if self._record is not None:
            self._record.write(self.trials())

    @property
    def resume(self) -> str | None:
        """The file for the next ``--resume``; None if nothing has finished."""
        if self._record is not None and self.trials():
            return str(self._record.path)
        return str(self.saved.path) if self.saved is not None else None

    # Fields of every report -----------------------------------------------------------------------

    def trials(self) -> tuple[Finished, ...]:
        finished: Collection[Finished] = self.runner.finished.values() if self.runner else ()
        return tuple(sorted(finished, key=lambda trial: trial.number))

    def framework(self) -> dict[str, Any]:
        """Return the framework's facts from the first trial that completed."""
        traces = (trial.trace for trial in self.trials() if trial.outcome.completed and trial.trace)
        first = next(traces, None)
        return first.facts.get("framework", {}) if first is not None else {}

    def complete(self, findings: Findings) -> Findings:
        """Return the findings of a command, completed with the fields of every report."""
        cut = self.runner is not None and self.runner.ended_early
        warnings = {}
        if self.failure is not None and hasattr(findings, "warnings"):
            sentence = f"the audit ended early ({self.failure.reason}): what was not decided by then is missing"
            warnings = {"warnings": (*findings.warnings, sentence)}
        return replace(  # type: ignore[type-var]
            findings,
            trials=self.trials(),
            machine={**system.describe(), "gpu": gpu.report(self.gpus, gpu.snapshot())},
            over_budget=cut,
            interrupted=self.interrupted,
            failure=self.failure,
            resume=self.resume if self.folder.kept else None,
            began=self.began,
            seconds=time.monotonic() - self.clock,
            **warnings,
        )


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Ignore interruptions while the block runs."""
    kept = {}
    # Only the main thread may set signal handlers.
    with contextlib.suppress(ValueError):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            kept[number] = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)

"""Runs trials: experiments request them, nests run them, and each distinct trial is run once."""

import itertools
import logging
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from detaudit_probes import protocol

from detaudit.core import trace as traces
from detaudit.core.condition import Condition, Trial, pair, with_variables
from detaudit.core.events import Emit, TrialEnded
from detaudit.core.experiment import Asking, Finished, Found
from detaudit.core.outcome import UNSTARTED, Ended, Outcome, of_child
from detaudit.errors import EnvironmentUnusable
from detaudit.execution.differing import Differing
from detaudit.execution.host import (
    Hello,
    Host,
    Interpreter,
    NestUnusable,
    OpenHost,
    ProgramNests,
)
from detaudit.execution.limits import Limits
from detaudit.execution.nests import Nest
from detaudit.machine import confinement

_LOG = logging.getLogger(__name__)
_NestKey = tuple[tuple[tuple[str, str | None], ...], Hashable]


@dataclass
class _Running:
    trial: Trial
    number: int
    key: _NestKey
    host: Host
    folder: Path
    deadline: float
    began: float


@dataclass
class Runner:
    """Runs experiments over one interpreter. ``finished`` outlives an interruption.

    ``base`` is the environment of every nest, before a condition's variables. ``open_host`` starts
    what runs trials; ``program_nests`` are used for trials of a user's program that they take.
    ``keep`` gets each trial as it ends.
    """

    interpreter: Interpreter
    limits: Limits
    control: Path
    base: Mapping[str, str]
    fingerprint: str = "blake2b_64"
    keep_bytes: bool = True
    emit: Emit = lambda event: None
    finished: dict[str, Finished] = field(default_factory=dict)
    ended_early: bool = False
    open_host: OpenHost = Nest
    keep: Callable[[Finished], None] = lambda finished: None
    program_nests: ProgramNests | None = None

    def __post_init__(self) -> None:
        self._nests: dict[_NestKey, Host] = {}
        self._numbers = itertools.count(1)
        self._folders = itertools.count()
        self._began = time.monotonic()
        self._queue: list[Trial] = []
        self._running: list[_Running] = []
        self._differing = Differing()
        self._spent = False

    def run(
        self,
        experiments: Sequence[Asking],
        settled: Callable[[int, Any], None] = lambda index, finding: None,
    ) -> None:
        """Run until every experiment is done, or the budget is spent; then the others stay undone.

        ``settled`` gets each finding as it is reached, with the index of its experiment.
        """
        waiting = dict(enumerate(experiments))
        for experiment in experiments:
            self._enqueue(experiment.wanted)
        served = -1
        while waiting:
            if served != len(self.finished):  # serve only if a trial has finished
                served = len(self.finished)
                for index, experiment in list(waiting.items()):
                    self._serve(experiment)
                    if experiment.done:
                        settled(index, experiment.finding)
                        del waiting[index]
                self._retire()
            if self.over_budget():
                self.ended_early = self.ended_early or bool(waiting)
                self._queue.clear()
                if not self._running:
                    return
            self._turn()

    def take_up(self, finished: Mapping[str, Finished]) -> None:
        """Continue with the trials of a saved audit; new trials get higher numbers."""
        self.finished.update(finished)
        for one in finished.values():
            self._learn(one)
        self._numbers = itertools.count(
            1 + max((trial.number for trial in self.finished.values()), default=0)
        )
        begun = [int(path.name.rpartition("-")[2]) for path in self.control.glob("nest-*")]
        self._folders = itertools.count(1 + max(begun, default=-1))

    def go_back(self, finished: Mapping[str, Finished]) -> None:
        """End everything that runs, and keep only ``finished`` of the finished trials."""
        self.close()
        self._queue.clear()
        self.finished = dict(finished)

    def greet(self, condition: Condition) -> Hello:
        """Start the condition's two nests and wait for both; return their hello, checked to be the
        same.

        Raises EnvironmentUnusable if the interpreter under test cannot be audited.
        """
        nests = [self._open(trial) for trial in pair(condition, 0)]
        for trial, nest in zip(pair(condition, 0), nests, strict=True):
            self._nests[self._key(trial)] = nest
        while not all(nest.answered() for nest in nests):
            time.sleep(0.01)
        first, second = (nest.hello() for nest in nests)
        if first.facts != second.facts:
            raise EnvironmentUnusable(
                f"{self.interpreter.path} reported different facts about itself when it was started twice."
            )
        return first

    def _serve(self, experiment: Asking) -> None:
        """Give an experiment the results that it requested, as long as all of them exist."""
        while not experiment.done and (found := self._found(experiment.wanted)) is not None:
            experiment.give(found)
            self._enqueue(experiment.wanted)

    def _found(self, wanted: Iterable[Trial]) -> Found | None:
        found = {trial: self.finished.get(trial.key()) for trial in wanted}
        return None if any(finished is None for finished in found.values()) else found  # type: ignore[return-value]

    def _enqueue(self, wanted: Iterable[Trial]) -> None:
        known = {trial.key() for trial in self._queue} | {run.trial.key() for run in self._running}
        for trial in wanted:
            if trial.key() not in known and trial.key() not in self.finished:
                known.add(trial.key())
                self._queue.append(trial)

    def over_budget(self) -> bool:
        """Whether the time, or the number of trials, that the user allows is spent."""
        seconds, most = self.limits.budget, self.limits.most
        used = len(self.finished) + len(self._running)
        late = seconds is not None and time.monotonic() - self._began > seconds
        many = most is not None and used >= most and bool(self._queue)
        if (late or many) and not self._spent:
            _LOG.info("the budget is spent after %d trials", len(self.finished))
            self._spent = True
        return self._spent

    def _turn(self) -> None:
        """Collect trials that have ended, start those that can start, and pause briefly."""
        for run in list(self._running):
            try:
                ended = run.host.ended(run.folder)
            except NestUnusable as reason:
                self._running.remove(run)
                self._queue.insert(0, run.trial)
                self._drop_nests(str(reason))
                continue
            if ended is None and time.monotonic() > run.deadline:
                run.host.interrupt()  # the nest itself no longer answers
                ended = Ended(timed_out=True, seconds=self.limits.timeout)
            if ended is not None:
                self._running.remove(run)
                self._collect(run, ended)
        self._differing.stop(((run.trial, run.folder) for run in self._running), self.finished)
        self._start()
        time.sleep(0.01)

    def _collect(self, run: _Running, ended: Ended) -> None:
        trace = traces.read(run.folder)
        written = trace.outcome if trace else {}
        measured = trace.measures.max_rss if trace else 0
        outcome = of_child(
            written,
            replace(ended, max_rss=ended.max_rss or measured),
            trace.steps() if trace else 0,
            run.host.said(run.folder),
        )
        finished = Finished(run.trial, run.number, replace(outcome, began=run.began), trace)
        self.finished[run.trial.key()] = finished
        self._learn(finished)
        self.keep(finished)
        _LOG.info("trial %d %s in %.1f s", run.number, outcome.kind, outcome.seconds)
        if outcome.reason:
            _LOG.debug("trial %d: %s", run.number, outcome.reason)
        done = len(self.finished)
        known = done + len(self._queue) + len(self._running)
        self.emit(TrialEnded(done, known, run.trial.condition.model, outcome.kind))
        if run.key[1] == run.trial.key():
            self._nests.pop(run.key).close()

    def _learn(self, finished: Finished) -> None:
        if self.program_nests is not None:
            self.program_nests.learn(finished)

    def _drop_nests(self, reason: str) -> None:
        """Run later trials in fresh processes. Trials that run in a nest end there."""
        assert self.program_nests is not None
        _LOG.info("no nest of the program is used: %s", reason)
        self.program_nests.drop(reason)
        self._retire()

    def _in_program_nest(self, trial: Trial) -> bool:
        return self.program_nests is not None and self.program_nests.takes(trial)

    def _key(self, trial: Trial) -> _NestKey:
        """Trials with one key share a nest; without forks, every trial has its own."""
        if self.interpreter.fork:
            return trial.variables, trial.side
        if self.program_nests is not None and self.program_nests.takes(trial):
            return trial.variables, (self.program_nests.group(trial), trial.side)
        return trial.variables, trial.key()

    def _start(self) -> None:
        free = self.limits.jobs - len(self._running) - self._starting()
        if self.limits.most is not None:
            free = min(free, self.limits.most - len(self.finished) - len(self._running))
        waiting: list[Trial] = []
        for position, trial in enumerate(self._queue):
            if free <= 0:
                waiting += self._queue[position:]
                break
            free -= self._place(trial, waiting)
        self._queue = waiting

    def _starting(self) -> int:
        return sum(not nest.answered() for nest in self._nests.values())

    def _place(self, trial: Trial, waiting: list[Trial]) -> int:
        """Run the trial in its nest, or start the nest and let the trial wait. Return the number of
        processes started: 0 or 1.
        """
        key = self._key(trial)
        if key not in self._nests:
            try:
                self._nests[key] = self._open(trial)
            except EnvironmentUnusable as error:
                self._settle(trial, Outcome(UNSTARTED, str(error)))
                return 0
            waiting.append(trial)
            return 1
        nest = self._nests[key]
        if not nest.answered():
            waiting.append(trial)
            return 0
        try:
            nest.hello()
        except EnvironmentUnusable as error:
            self._settle(trial, Outcome(UNSTARTED, str(error)))
            return 0
        except NestUnusable as reason:
            waiting.append(trial)
            self._drop_nests(str(reason))
            return 0
        self._nests[key] = self._nests.pop(key)  # the last used is the last one
        self._run(trial, key, nest)
        return 1

    def _settle(self, trial: Trial, outcome: Outcome) -> None:
        """Record a trial for which no process could be started."""
        self.finished[trial.key()] = Finished(trial, next(self._numbers), outcome, None)

    def _open(self, trial: Trial) -> Host:
        variables = with_variables(self.base, trial.environment())
        environment = {name: value for name, value in variables.items() if value is not None}
        control = self.control / f"nest-{next(self._folders):05}"
        _LOG.debug("%s starts in %s", self.interpreter.path, control)
        if self._in_program_nest(trial):
            assert self.program_nests is not None
            return self.program_nests.open(self.interpreter, control, environment, trial)
        return self.open_host(self.interpreter, control, environment)

    def _run(self, trial: Trial, key: _NestKey, nest: Host) -> None:
        condition, number = trial.condition, next(self._numbers)
        request = protocol.Request(
            trial=number,
            draw=trial.draw,
            seed=condition.seed,
            backend=condition.backend,
            device=condition.device,
            model=condition.model,
            feed=condition.feed,
            procedure=condition.procedure,
            pins=condition.pins,
            unpinned=condition.unpinned,
            settings=condition.settings,
            orders=condition.orders,
            fingerprint=self.fingerprint,
            keep_bytes=self.keep_bytes,
            timeout=self.limits.timeout,
        )
        _LOG.debug(
            "trial %d begins: %s, pinned %s, draw %d",
            number,
            condition.model,
            ", ".join(condition.pins) or "nothing",
            trial.draw,
        )
        grace = 30.0
        began, deadline = time.time(), time.monotonic() + self.limits.timeout + grace
        folder = nest.run(request)
        self._running.append(_Running(trial, number, key, nest, folder, deadline, began))

    def _retire(self) -> None:
        """Close nests that no known trial needs, to free memory for the others: those first that
        have not been used for longest.
        """
        most = self.program_nests.most if self.program_nests is not None else self.limits.jobs
        needed = {self._key(trial) for trial in self._queue} | {run.key for run in self._running}
        idle = [key for key in self._nests if key not in needed]
        for key in idle[: max(0, len(self._nests) - most)]:
            self._nests.pop(key).close()

    def close(self) -> None:
        """End every process. The finished trials stay in ``finished``."""
        for nest in self._nests.values():
            nest.interrupt()
        for nest in self._nests.values():
            nest.close()
        self._nests.clear()
        self._running.clear()


def default_jobs() -> int:
    """Return as many processes as there are cores, or as fit into free memory at 0.7 GiB each."""
    import psutil

    return max(1, min(confinement.cores(), int(psutil.virtual_memory().available / 0.7e9)))

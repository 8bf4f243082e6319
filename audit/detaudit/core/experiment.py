"""An experiment is a generator: it yields trials, receives their results, and returns its finding.

It never starts a process, so it can be tested with hand-made traces.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from detaudit.core.condition import Trial
from detaudit.core.outcome import Outcome
from detaudit.core.trace import Trace


@dataclass(frozen=True)
class Finished:
    """The result of one trial: its outcome, and its trace if there is one."""

    trial: Trial
    number: int
    outcome: Outcome
    trace: Trace | None

    @property
    def completed_trace(self) -> Trace | None:
        """The trace of a completed trial; None if the trial did not complete, because its trace may
        have no end.
        """
        return self.trace if self.outcome.completed else None


Found = Mapping[Trial, Finished]
Finding = TypeVar("Finding")
Experiment = Generator[Sequence[Trial], Found, Finding]


def ask_once(trial: Trial) -> Experiment[Finished]:
    """Run one trial and return its result."""
    found = yield [trial]
    return found[trial]


class Asking(Generic[Finding]):
    """A started experiment: ``wanted`` are the trials that it requests now; ``finding`` is set once
    it is ``done``.
    """

    def __init__(self, experiment: Experiment[Finding]):
        self._experiment = experiment
        self.wanted: Sequence[Trial] = ()
        self.finding: Finding | None = None
        self.done = False
        self._step(lambda: next(experiment))

    def give(self, found: Found) -> None:
        """Give it the results that it requested."""
        self._step(lambda: self._experiment.send(found))

    def _step(self, advance: Callable[[], Sequence[Trial]]) -> None:
        try:
            self.wanted = advance()
        except StopIteration as end:
            self.wanted, self.finding, self.done = (), end.value, True


def side_by_side(*experiments: Experiment[Any]) -> Experiment[list[Any]]:
    """Run several experiments: each turn requests what all of them want. Return their findings, in
    their order.
    """
    asking = [Asking(one) for one in experiments]
    while not all(one.done for one in asking):
        wanted = dict.fromkeys(trial for one in asking for trial in one.wanted)
        found = yield list(wanted)
        for one in asking:
            if not one.done:
                one.give({trial: found[trial] for trial in one.wanted})
    return [one.finding for one in asking]

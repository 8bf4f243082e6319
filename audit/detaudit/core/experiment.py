"""An experiment is a generator: it yields trials, is sent what became of them, returns its finding.

It never starts a process, so it can be tested with traces made by hand.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from detaudit.core.condition import Trial
from detaudit.core.outcome import Outcome
from detaudit.core.trace import Trace


@dataclass(frozen=True)
class Finished:
    """What became of one trial: its outcome, and its trace where there is one."""

    trial: Trial
    number: int
    outcome: Outcome
    trace: Trace | None

    @property
    def completed_trace(self) -> Trace | None:
        """The trace of a trial that completed; that of another says nothing of its end."""
        return self.trace if self.outcome.completed else None


Found = Mapping[Trial, Finished]
Finding = TypeVar("Finding")
Experiment = Generator[Sequence[Trial], Found, Finding]


def ask_once(trial: Trial) -> Experiment[Finished]:
    """What becomes of one trial."""
    found = yield [trial]
    return found[trial]


class Asking(Generic[Finding]):
    """An experiment that has begun: ``wanted`` is what it asks for now; ``finding`` is set once it
    is ``done``.
    """

    def __init__(self, experiment: Experiment[Finding]):
        self._experiment = experiment
        self.wanted: Sequence[Trial] = ()
        self.finding: Finding | None = None
        self.done = False
        self._step(lambda: next(experiment))

    def give(self, found: Found) -> None:
        """Give it what it asked for."""
        self._step(lambda: self._experiment.send(found))

    def _step(self, advance: Callable[[], Sequence[Trial]]) -> None:
        try:
            self.wanted = advance()
        except StopIteration as end:
            self.wanted, self.finding, self.done = (), end.value, True

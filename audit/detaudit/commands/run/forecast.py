"""Predicts how often a program will be run, and how long that takes once its first run has been
timed.
"""

from dataclasses import dataclass

from detaudit.commands.run.vary import VARIATIONS
from detaudit.core.durations import duration
from detaudit.core.events import Expected

#: Runs of the search, as measured on the programs of the corpus, and of timing the pins.
SEARCH, TIMING = 44, 20
#: Recorded runs are followed by one unrecorded pair, and by one run that starts with the files of
#: the first.
UNRECORDED, AGAIN = 2, 1
#: How much longer a run takes beside other runs, as a factor.
BESIDE = 1.4


@dataclass(frozen=True)
class Forecast:
    """The expected number of runs of a program: of the first comparison, in total if runs match,
    and at most in total if they differ.
    """

    first: int
    matching: int
    differing: int

    @classmethod
    def of(cls, pairs: int, search: bool, timed: bool) -> "Forecast":
        """Create the forecast for ``pairs`` of unchanged runs; ``search`` says whether causes are
        searched for, ``timed`` whether pins are timed.
        """
        first = 2 * pairs
        matching = first + UNRECORDED + AGAIN + (len(VARIATIONS) if search else 0)
        differing = first + UNRECORDED + AGAIN + (SEARCH if search else 0)
        return cls(first, matching, differing + (TIMING if search and timed else 0))

    def before(self, title: str) -> str:
        """Return the first line of the command."""
        if self.matching >= self.differing:
            return f"Running {title} {self.matching} times to see whether its runs match"
        return (
            f"Running {title} {self.matching} times if its runs match, and up to about "
            f"{self.differing} times if they differ and the cause is searched for"
        )

    def after(self, seconds: float, jobs: int) -> str:
        """Return the sentence after the first run, which took ``seconds``."""
        matching = _seconds(self.matching, seconds, jobs)
        one = f"One run takes {duration(seconds)}, so the audit takes about {duration(matching)} if runs match"
        if self.matching >= self.differing:
            return f"{one}."
        differing = _seconds(self.differing, seconds, jobs)
        return f"{one}, and up to {duration(differing)} if they differ."

    def expected(self, seconds: float, jobs: int, done: int, differs: bool) -> Expected:
        """Return what is left to do after ``done`` runs."""
        runs = self.differing if differs else self.matching
        return Expected(runs, _seconds(max(0, runs - done), seconds, jobs))


def _seconds(runs: int, seconds: float, jobs: int) -> float:
    """Return the wall time of ``runs``, of which ``jobs`` run at a time."""
    return runs * seconds * (BESIDE if jobs > 1 else 1.0) / max(1, jobs)

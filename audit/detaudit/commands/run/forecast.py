"""How often a program will be run, and how long that takes once its first run is timed."""

from dataclasses import dataclass

from detaudit.commands.run.vary import VARIATIONS
from detaudit.core.durations import duration
from detaudit.core.events import Expected

#: Runs of the search, as the programs of the corpus take them, and of timing the pins besides.
SEARCH, TIMING = 44, 20
#: Recorded runs are followed by one pair that is not, and by one that begins from what the first
#: has left.
UNRECORDED, AGAIN = 2, 1
#: Two runs side by side take longer than one: seconds of a run beside others, as a multiple.
BESIDE = 1.4


@dataclass(frozen=True)
class Forecast:
    """Runs of a program: those that show whether it repeats, those if it does, and at most those if
    it does not.
    """

    first: int
    matching: int
    differing: int

    @classmethod
    def of(cls, pairs: int, search: bool, timed: bool) -> "Forecast":
        """``pairs`` of runs as it is; ``search`` says whether causes are looked for, ``timed``
        whether the pins are timed.
        """
        first = 2 * pairs
        matching = first + UNRECORDED + AGAIN + (len(VARIATIONS) if search else 0)
        differing = first + UNRECORDED + AGAIN + (SEARCH if search else 0)
        return cls(first, matching, differing + (TIMING if search and timed else 0))

    def before(self, title: str) -> str:
        """The first line of the command."""
        if self.matching >= self.differing:
            return f"Running {title} {self.matching} times to see whether its runs match"
        return (
            f"Running {title} {self.matching} times if its runs match, and up to about "
            f"{self.differing} times if they differ and the cause is searched for"
        )

    def after(self, seconds: float, jobs: int) -> str:
        """What is said when the first run has taken so many seconds."""
        matching = _seconds(self.matching, seconds, jobs)
        one = f"One run takes {duration(seconds)}, so the audit takes about {duration(matching)} if runs match"
        if self.matching >= self.differing:
            return f"{one}."
        differing = _seconds(self.differing, seconds, jobs)
        return f"{one}, and up to {duration(differing)} if they differ."

    def expected(self, seconds: float, jobs: int, done: int, differs: bool) -> Expected:
        """What is to come when ``done`` runs have ended."""
        runs = self.differing if differs else self.matching
        return Expected(runs, _seconds(max(0, runs - done), seconds, jobs))


def _seconds(runs: int, seconds: float, jobs: int) -> float:
    """Wall time of ``runs``, so many at a time."""
    return runs * seconds * (BESIDE if jobs > 1 else 1.0) / max(1, jobs)

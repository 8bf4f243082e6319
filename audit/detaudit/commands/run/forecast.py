"""Predicts how often a program will be run, and how long that takes once its first run has been
timed.
"""

from dataclasses import dataclass

from detaudit.commands.run.vary import VARIATIONS
from detaudit.core.durations import duration
from detaudit.core.events import Expected

#: Runs of the search, as measured on the programs of the corpus, and of timing the pins.
SEARCH_RUNS, TIMING_RUNS = 44, 20
#: After the first comparison: one unrecorded pair, and one run that starts with the files of the
#: first.
CHECKING_RUNS = 2 + 1
#: How much longer a run takes beside other runs, as a factor.
SLOWDOWN = 1.4


@dataclass(frozen=True)
class Forecast:
    """The expected number of runs of a program: of the first comparison, in total if runs match,
    and in total if they always differ.
    """

    first: int
    matching: int
    differing: int

    def announcement(self, title: str) -> str:
        """Return the first line of the command, before the first run."""
        if self.matching >= self.differing:
            return f"Running {title} {self.matching} times to see whether its runs match"
        return (
            f"Running {title} {self.matching} times if its runs match, and about {self.differing} "
            f"times if they differ and the cause is searched for (more if they differ rarely)"
        )

    def estimate(self, seconds: float, jobs: int) -> str:
        """Return the sentence after the first run, which took ``seconds``."""
        matching = _seconds(self.matching, seconds, jobs)
        sentence = f"One run takes {duration(seconds)}, so the audit takes about {duration(matching)} if runs match"
        if self.matching >= self.differing:
            return f"{sentence}."
        differing = _seconds(self.differing, seconds, jobs)
        return f"{sentence}, and about {duration(differing)} if they differ."

    def expected(self, seconds: float, jobs: int, ended: int, differs: bool) -> Expected:
        """Return the expected size of the audit after ``ended`` runs."""
        runs = self.differing if differs else self.matching
        return Expected(runs, _seconds(max(0, runs - ended), seconds, jobs))


def predict(pairs: int, search: bool, timed: bool) -> Forecast:
    """Return the forecast for ``pairs`` of unchanged runs; ``search`` says whether causes are
    searched for, ``timed`` whether pins are timed.
    """
    first = 2 * pairs
    matching = differing = first + CHECKING_RUNS
    if search:
        matching += len(VARIATIONS)
        differing += SEARCH_RUNS
    if search and timed:
        differing += TIMING_RUNS
    return Forecast(first, matching, differing)


def _seconds(runs: int, seconds: float, jobs: int) -> float:
    """Return the wall time of ``runs``, of which ``jobs`` run at a time."""
    slowdown = SLOWDOWN if jobs > 1 else 1.0
    return runs * seconds * slowdown / max(1, jobs)

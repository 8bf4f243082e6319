"""Predicts how often a program will be run, and how long that takes once its first run has been
timed.
"""

from dataclasses import dataclass

from detaudit_probes.protocol import Measures

from detaudit.commands.run.vary import VARIED
from detaudit.core.durations import duration
from detaudit.core.events import Expected
from detaudit.core.sentences import number

#: Whole runs of an audit in which the first pair differs, with its confirmation; and short runs of
#: the search, as measured on the programs of the corpus.
WHOLE_RUNS, SHORT_RUNS = 10, 32
CONFIRMING_RUNS = 4  # whole runs that confirm what a search has found
TIMING_RUNS = 20  # of timing the pins
#: Beside the first comparison: one unrecorded pair, and one run that starts with the files of the
#: first.
CHECKING_RUNS = 2 + 1
#: How much longer a run takes beside other runs, as a factor.
SLOWDOWN = 1.4
LONG = 600.0  # seconds: of a longer run, its first steps may be enough
PIECE = 60.0  # seconds of training after which such a run could be ended


@dataclass(frozen=True)
class Length:
    """How long one run of a program takes: ``startup`` seconds until its framework is imported,
    then ``training`` seconds, for this many ``steps``.
    """

    startup: float
    training: float
    steps: int

    @classmethod
    def of(cls, seconds: float, measures: Measures) -> "Length":
        """Return the length of a run that took ``seconds``."""
        training = min(measures.after_import or seconds, seconds)
        return cls(seconds - training, training, measures.steps)

    @property
    def whole(self) -> float:
        return self.startup + self.training

    def until(self, steps: int | None) -> float:
        """Return the seconds of a run that is ended after ``steps``; None: at its own end."""
        if steps is None or steps >= self.steps:
            return self.whole
        return self.startup + self.training * steps / self.steps


@dataclass(frozen=True)
class Forecast:
    """The expected number of runs of a program: in total if they match; if they always differ,
    ``whole`` runs, and ``short`` ones of the search, which may end early.
    """

    matching: int
    whole: int
    short: int

    def announcement(self, title: str) -> str:
        """Return the first line of the command, before the first run."""
        if not self.short:
            return f"Running {title} {self.matching} times to see whether its runs match"
        return (
            f"Running {title} {self.matching} times if its runs match. If they differ, finding the "
            f"cause takes about {self.whole} whole runs and {self.short} short ones, which end where "
            f"the difference shows (more if runs differ rarely)"
        )

    def estimate(self, length: Length, jobs: int) -> str:
        """Return the sentences after the first run."""
        matching = duration(_wall(self.matching * length.whole, jobs))
        run = f"One run takes {duration(length.whole)}, so the audit takes about {matching}"
        if not self.short:
            return f"{run}. {_for_long(length)}".strip()
        least, most = (duration(self._differing(length, steps, jobs)) for steps in (1, None))
        between = f"about {most}" if least == most else f"between {least} and {most}"
        sentence = f"{run} if runs match, and {between} if they differ, depending on where."
        return f"{sentence} {_for_long(length)}".strip()

    def bought(self, budget: float, length: Length, jobs: int) -> str:
        """Return what a budget of so many seconds is enough for."""
        if budget < _wall(self.matching * length.whole, jobs):
            enough = "which is too little to see whether runs match"
        elif not self.short or budget >= self._differing(length, None, jobs):
            enough = "which should be enough"
        elif budget >= self._differing(length, 1, jobs):
            enough = "which is enough for a search only if runs differ early in the training"
        else:
            enough = "which is enough to see whether runs match, but not to find the cause"
        runs = int(budget * jobs / (length.whole * _slower(jobs)))
        return f"The budget allows about {number(runs, 'run')}, {enough}."

    def expected(
        self, length: Length, jobs: int, ended: int, differs: bool, steps: int | None = None
    ) -> Expected:
        """Return the expected size of the audit after ``ended`` runs. If runs differ, those of the
        search end after ``steps``.
        """
        if not differs:
            left = max(0, self.matching - ended) * length.whole
            return Expected(self.matching, _wall(left, jobs))
        left = max(0, self.whole - ended) * length.whole + self.short * length.until(steps)
        return Expected(self.whole + self.short, _wall(left, jobs))

    def another_search(self, length: Length, jobs: int, ended: int, steps: int | None) -> Expected:
        """Return the expected size if, after ``ended`` runs, a later divergence is searched for."""
        seconds = CONFIRMING_RUNS * length.whole + self.short * length.until(steps)
        return Expected(ended + CONFIRMING_RUNS + self.short, _wall(seconds, jobs))

    def _differing(self, length: Length, steps: int | None, jobs: int) -> float:
        return _wall(self.whole * length.whole + self.short * length.until(steps), jobs)


def predict(pairs: int, search: bool, timed: bool) -> Forecast:
    """Return the forecast for ``pairs`` of unchanged runs; ``search`` says whether causes are
    searched for, ``timed`` whether pins are timed.
    """
    matching = 2 * pairs + CHECKING_RUNS
    if not search:
        return Forecast(matching, matching, 0)
    whole = WHOLE_RUNS + (TIMING_RUNS if timed else 0)
    return Forecast(
        matching + len([source for source in VARIED if not source.needs.gpus]), whole, SHORT_RUNS
    )


def _for_long(length: Length) -> str:
    """Return how a long program can be judged by its first steps; empty for a short one."""
    if length.whole < LONG or not length.steps:
        return ""
    steps = _rounded(max(1.0, length.steps * PIECE / length.training))
    took = duration(length.until(steps))
    return (
        f"--stop-after {steps} would end every run after {steps:,} of its {length.steps:,} steps, "
        f"that is after {took}, and the report would cover only these."
    )


def _rounded(steps: float) -> int:
    """Return the number with one digit that matters."""
    digits = len(str(int(steps))) - 1
    return int(round(steps, -digits)) or 1


def _wall(seconds: float, jobs: int) -> float:
    """Return the wall time of runs that take so many ``seconds`` together, ``jobs`` at a time."""
    return seconds * _slower(jobs) / max(1, jobs)


def _slower(jobs: int) -> float:
    return SLOWDOWN if jobs > 1 else 1.0

"""What runs with different seeds showed, as values."""

from dataclasses import dataclass, field
from typing import Any

from detaudit.core.conclusion import Failure
from detaudit.core.divergence import Divergence
from detaudit.core.experiment import Finished
from detaudit.core.statistics import Interval
from detaudit.core.verdict import Verdict

#: How a run gets its seed: our own model; arguments, or a variable, of the user's program; or the
#: calls with which it seeds generators itself.
MODEL, ARGUMENTS, VARIABLE, CALLS = "model", "arguments", "variable", "calls"


@dataclass(frozen=True)
class SeedCall:
    """A line of the user's code that seeds a generator with ``function``."""

    file: str
    line: int
    function: str


@dataclass(frozen=True)
class Seeding:
    """``how`` runs get their seeds: by the arguments or the variable that the user has ``given``,
    or by the ``calls`` that were observed to seed a generator. ``constants`` are lines of the
    script with a constant seed that stays as it is.
    """

    how: str = MODEL
    given: str = ""
    calls: tuple[SeedCall, ...] = ()
    constants: tuple[SeedCall, ...] = ()

    @property
    def is_free(self) -> bool:
        """Whether nothing gives the program another seed: it runs as it is."""
        return self.how == CALLS and not self.calls


@dataclass(frozen=True)
class Metric:
    """A number that each run ends with, in the order of the seeds; None where it is missing or not
    finite.

    The statistics are those of the other values; None if these are too few. ``distinct`` counts
    different values. ``no_spread_interval`` is the reason if there is no interval of the standard
    deviation. ``detectable`` is the smallest difference of two means, each of so many runs, that is
    found in 80 % of cases; ``needed`` is the number of runs of each that find the difference which
    the user asks about.
    """

    name: str
    values: tuple[float | None, ...]
    distinct: int
    mean: float | None = None
    spread: float | None = None
    least: float | None = None
    greatest: float | None = None
    mean_interval: Interval | None = None
    spread_interval: Interval | None = None
    no_spread_interval: str = ""
    detectable: float | None = None
    needed: int | None = None


@dataclass(frozen=True)
class Difference:
    """How much larger a number of the other program's runs is, over ``pairs`` of runs with equal
    seeds that both have it.

    ``p_value`` is that of a sign-flip test; ``detectable`` the smallest difference that so many
    pairs show in 80 % of cases. None if the pairs are too few.
    """

    name: str
    pairs: int
    mean: float | None = None
    interval: Interval | None = None
    p_value: float | None = None
    detectable: float | None = None


@dataclass(frozen=True)
class Against:
    """Another program that was run with the seeds of the first one; the fields are those of
    :class:`SpreadAudit`.
    """

    program: str
    seeding: Seeding = Seeding()
    ignored: bool = False
    seeds: tuple[int, ...] = ()
    identical: int = 0
    metrics: tuple[Metric, ...] = ()
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True)
class Row:
    """Runs of a program with the source ``free`` as the program leaves it, and the others pinned;
    ``nothing`` and ``everything`` are the two ends. At most ``identical`` of the ``runs`` that
    completed, of those ``wanted``, ended on the same bits; ``divergence`` is the earliest place at
    which two differ. ``acts``: they differ more often than chance explains beside the runs with
    everything pinned. ``churn`` is the share of examples of which two runs of a classifier predict
    another class, on average; None if it predicts none.
    """

    free: str
    wanted: int
    runs: int
    identical: int
    acts: bool = False
    divergence: Divergence | None = None
    metrics: tuple[Metric, ...] = ()
    churn: float | None = None


@dataclass(frozen=True)
class SpreadAudit:
    """``seeds`` are those of the runs that completed, or what was added to the program's own, and
    at most ``identical`` of these runs ended on the same bits. ``ignored``: the program does not
    use the seed that it is given: its weights are the same. ``program`` is its title, and
    ``arguments`` are hidden in reports. ``repeats``: whether two runs with the first seed end
    alike. ``power`` is the share of simulated cases in which as many runs as a row of ``by_source``
    has find that one standard deviation is twice another. ``churn`` is that of a :class:`Row`.
    """

    options: dict[str, Any]
    seeds: tuple[int, ...] = ()
    identical: int = 0
    metrics: tuple[Metric, ...] = ()
    program: str = ""
    seeding: Seeding = Seeding()
    ignored: bool = False
    repeats: bool | None = None
    against: Against | None = None
    by_source: tuple[Row, ...] = ()
    power: float | None = None
    churn: float | None = None
    arguments: tuple[str, ...] = ()
    # The fields of every report
    environment: dict[str, Any] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()
    trials: tuple[Finished, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: dict[str, Any] = field(default_factory=dict)
    began: str = ""
    seconds: float = 0.0
    strict: bool = False
    over_budget: bool = False
    interrupted: bool = False
    failure: Failure | None = None
    resume: str | None = None

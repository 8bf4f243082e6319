"""What runs with different seeds showed, as values."""

from dataclasses import dataclass, field
from typing import Any

from detaudit.core.conclusion import Failure
from detaudit.core.experiment import Finished
from detaudit.core.statistics import Interval
from detaudit.core.verdict import Verdict


@dataclass(frozen=True)
class Metric:
    """A number that each run ends with, in the order of the seeds; None where it is missing or not
    finite.

    The statistics are those of the other values; None if these are too few. ``distinct`` counts
    different values. ``no_spread_interval`` is the reason if there is no interval of the standard
    deviation. ``detectable`` is the smallest difference of two means, each of so many runs, that is
    found in 80 % of cases.
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


@dataclass(frozen=True)
class SpreadAudit:
    """``seeds`` are those of the runs that completed, of which at most ``identical`` ended on the
    same bits.
    """

    options: dict[str, Any]
    seeds: tuple[int, ...] = ()
    identical: int = 0
    metrics: tuple[Metric, ...] = ()
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

"""The findings of a scan, as values. The report is built from these alone."""

from dataclasses import dataclass, field
from typing import Any

from detaudit.core.conclusion import Failure
from detaudit.core.divergence import Divergence
from detaudit.core.experiment import Finished
from detaudit.core.tally import Tally
from detaudit.core.verdict import Count, Verdict


@dataclass(frozen=True)
class Control:
    """Runs with everything pinned: one tally per model."""

    tallies: tuple[Tally, ...]

    @property
    def differing(self) -> tuple[Tally, ...]:
        return tuple(one for one in self.tallies if one.differing)

    @property
    def undecided(self) -> tuple[Tally, ...]:
        return tuple(
            one for one in self.tallies if not one.differing and (one.problems or not one.matching)
        )

    @property
    def matches(self) -> bool:
        return bool(self.tallies) and not self.differing and not self.undecided


@dataclass(frozen=True)
class Cell:
    """One cell of the matrix: does this generator decide this component?

    ``decides`` is None if the pair could not be compared, with the reason.
    """

    component: str
    generator: str
    decides: bool | None
    reason: str
    trials: tuple[int, ...] = ()


@dataclass(frozen=True)
class Rung:
    """One recipe of the ladder, tried on every tiny model. ``works`` is None if it could not be
    decided.

    ``cost`` is the median step time with the recipe divided by that without, with the smallest and
    the largest of these ratios; None if not measured. ``changes`` are sentences on what else the
    recipe changes.
    """

    id: str
    title: str
    lines: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    works: bool | None
    counts: tuple[Count, ...]
    reason: str
    cost: float | None = None
    cost_range: tuple[float, float] | None = None
    changes: tuple[str, ...] = ()
    trials: tuple[int, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """The weakest rung that works, as lines to paste.

    ``verified`` is True only if the printed lines themselves were run, in a separate script, and
    every pair of fresh processes gave the same bits; False if a pair differs; None if it could not
    be tried. ``runs`` is the number of processes, ``counts`` the results of their pairs on each
    model. ``excluded_rate``: the pairs, if all match, exclude at 95 % that more than this share of
    pairs differ.
    """

    rung: str
    lines: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    verified: bool | None
    runs: int
    reason: str
    counts: tuple[Count, ...] = ()
    excluded_rate: float | None = None


@dataclass(frozen=True)
class Placebo:
    """A setting that people rely on, compared with the real one. ``does_nothing`` is None if it
    could not be shown.

    ``set_in_environment`` is True if the user's own environment sets it: then it is also a warning.
    """

    id: str
    title: str
    real: str
    does_nothing: bool | None
    reason: str
    set_in_environment: bool = False
    trials: tuple[int, ...] = ()


@dataclass(frozen=True)
class Level:
    """One level of reach. ``matches`` is None if it was not tried, with the reason."""

    id: str
    title: str
    matches: bool | None
    reason: str
    divergence: Divergence | None = None
    trials: tuple[int, ...] = ()


@dataclass(frozen=True)
class Audit:
    """All findings of one scan. ``machine`` and ``environment`` are allow-listed facts.

    ``options`` are the command's own, so that the audit can be repeated. ``requested`` are the ids
    that the user named with ``--only``, ``untried_sources`` the ids of sources that only a deeper
    scan would try here.
    """

    options: dict[str, Any]
    machine: dict[str, Any]
    environment: dict[str, Any]
    control: Control | None
    verdicts: tuple[Verdict, ...] = ()
    matrix: tuple[Cell, ...] = ()
    ladder: tuple[Rung, ...] = ()
    recipe: Recipe | None = None
    placebos: tuple[Placebo, ...] = ()
    reach: tuple[Level, ...] = ()
    trials: tuple[Finished, ...] = ()
    warnings: tuple[str, ...] = ()
    requested: tuple[str, ...] = ()
    untried_sources: tuple[str, ...] = ()
    strict: bool = False
    over_budget: bool = False
    interrupted: bool = False
    failure: Failure | None = None
    began: str = ""
    seconds: float = 0.0
    resume: str | None = None
    notes: dict[str, Any] = field(default_factory=dict)

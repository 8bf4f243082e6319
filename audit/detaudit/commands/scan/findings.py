"""What an audit found, as values: the report is built from these and from nothing else."""

from dataclasses import dataclass, field
from typing import Any

from detaudit.core.conclusion import Failure
from detaudit.core.divergence import Divergence
from detaudit.core.experiment import Finished
from detaudit.core.tally import Tally
from detaudit.core.verdict import Count, Verdict


@dataclass(frozen=True)
class Control:
    """Everything pinned against everything pinned: one tally a model."""

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
    """One cell of the matrix source x component: does this generator decide this component?

    ``decides`` is None where the pair could not be compared, with the reason.
    """

    component: str
    generator: str
    decides: bool | None
    reason: str
    trials: tuple[int, ...] = ()


@dataclass(frozen=True)
class Rung:
    """One recipe of the ladder, tried on every tiny model.

    ``works`` is None where it could not be decided. ``cost`` is the ratio of the median step time
    to that of no recipe at all, with its least and greatest value over the alternations; None where
    not measured. ``changes`` are sentences on what the recipe changes besides.
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
    """The weakest rung that holds, as lines to paste.

    ``verified`` is True only after the printed lines themselves, in a script of their own, gave the
    same bits in every pair of fresh processes, False after a pair that differs; None: it could not
    be tried. ``runs`` is the number of processes, ``counts`` what their pairs showed on each model.
    ``excluded_rate`` is the rate of differing pairs above which they exclude it at 95 %, where all
    match.
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
    """A setting that people rely on, against the real one. ``does_nothing`` None: could not be
    shown.

    ``set_in_environment`` is True where the user's own environment has it: then it is also a
    warning.
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
    """One level of reach. ``matches`` None: not tried, with the reason."""

    id: str
    title: str
    matches: bool | None
    reason: str
    divergence: Divergence | None = None
    trials: tuple[int, ...] = ()


@dataclass(frozen=True)
class Audit:
    """Everything that one scan found.

    ``machine`` and ``environment`` are allow-listed facts. ``options`` are the command's own, so
    that the audit can be replayed. ``requested`` are ids that the user named with ``--only``,
    ``untried_sources`` those of sources that a deeper scan would try here.
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

"""What ``detaudit run`` found, as values: the report is built from these and from nothing else."""

from dataclasses import dataclass, field
from typing import Any

from detaudit.core.conclusion import Failure
from detaudit.core.divergence import Divergence
from detaudit.core.experiment import Finished
from detaudit.core.pinpoint import Pinpoint

RUNS_DIFFER = "two runs of the same script differ"


@dataclass(frozen=True)
class Repeats:
    """Runs of one and the same condition: disjoint pairs of them, and where the first that parted
    did.

    ``cut_short``: one of these two made more steps than the other, and those that both made are
    equal.
    """

    runs: int
    matching: int
    differing: int
    divergence: Divergence | None = None
    problem: str | None = None
    cut_short: bool = False

    @property
    def pairs(self) -> int:
        return self.matching + self.differing


@dataclass(frozen=True)
class Site:
    """A line that drew from a source. ``in_user_code``: that line itself, not a library called from
    it.
    """

    file: str
    line: int
    function: str
    draws: int
    in_user_code: bool
    stack: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cause:
    """A source that must be pinned. ``necessary``: with its pin alone left out, runs were seen to
    part.
    """

    source: str
    pin: str
    necessary: bool | None
    sites: tuple[Site, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Fix:
    """A change of the user's own program. ``verified`` only after ``runs`` runs of it matched to
    the last bit.

    They exclude at 95 % that more than ``excluded_rate`` of its pairs differ.

    ``diff`` is a unified diff, ``environment`` what must be set besides; ``cost`` and
    ``cost_range`` as for a pin.
    """

    diff: str
    environment: tuple[tuple[str, str], ...]
    verified: bool | None
    runs: int
    reason: str
    cost: float | None = None
    cost_range: tuple[float, float] | None = None
    excluded_rate: float | None = None


@dataclass(frozen=True)
class Cost:
    """How long the script takes with ``pins`` held, as a ratio to how long it takes with those of
    ``base``.

    The median of some rounds, with the least and the greatest; None where a run did not complete.
    """

    pins: tuple[str, ...]
    base: tuple[str, ...] = ()
    cost: float | None = None
    cost_range: tuple[float, float] | None = None


@dataclass(frozen=True)
class Costs:
    """What the pins that were tried cost, each ``each``, and those that were ``combined``.

    ``noise`` is the script as it is against itself. ``faster_set`` is another set that holds the
    runs, against the one before: it was faster in every round. None where there is none;
    ``faster_sets_tried`` says in words where one was looked for.
    """

    rounds: int
    noise: Cost
    each: tuple[Cost, ...]
    combined: Cost
    faster_set: Cost | None = None
    faster_sets_tried: tuple[str, ...] = ()

    @property
    def fastest(self) -> tuple[str, ...]:
        """The fastest set that was seen to hold the runs."""
        return self.faster_set.pins if self.faster_set is not None else self.combined.pins


@dataclass(frozen=True)
class Varied:
    """What another machine may have otherwise. ``matches`` None: it could not be tried."""

    source: str
    title: str
    matches: bool | None
    reason: str
    divergence: Divergence | None = None


@dataclass(frozen=True)
class Output:
    """What runs have ``saved`` under a name, or ``printed``; ``line`` is the first that they
    printed differently.

    Other kinds stand beside the training: a ``metric``, ``data`` that no step used, a ``generator``
    at the end, a ``name``.
    """

    kind: str
    name: str
    matches: bool
    line: int | None = None


@dataclass(frozen=True)
class Quantity:
    """A loss or a metric, as the script's author reads it, that was not the same in two runs."""

    name: str
    first: float
    second: float


@dataclass(frozen=True)
class Growth:
    """How far two runs are apart after one step: of all weights, the share that differs and the
    largest gaps.
    """

    step: int
    differing_elements: int
    total: int
    ulps_max: int | None
    max_abs: float | None


@dataclass(frozen=True)
class Search:
    """What the search for the causes took: trials, seconds, and its steps in words, in order."""

    trial_count: int = 0
    seconds: float = 0.0
    questions: tuple[str, ...] = ()
    incompatible_pins: tuple[str, ...] = ()
    unexercised_pins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Observer:
    """Whether watching changes what is watched. ``bits_unchanged`` None: it was not tried."""

    bits_unchanged: bool | None = None
    reason: str = "not tried"


@dataclass(frozen=True)
class Isolation:
    """What kept runs from the user's folder: its ``kind``, and the ``reason`` where a better one
    could not be had.

    ``left_out`` are names below the folder that runs did not see, ``elsewhere`` paths outside of it
    that they wrote to, ``not_restored`` names below it that are not what they were before the
    audit.
    """

    kind: str = ""
    reason: str = ""
    left_out: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    not_restored: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunAudit:
    """Everything that one ``detaudit run`` found. ``reproducible`` is None where it was not
    decided.

    ``steps`` are those of which it speaks, where runs were ended early; ``own_fault`` says that a
    fault of detaudit's own has ended it.
    """

    program: str
    options: dict[str, Any]
    reproducible: bool | None
    reason: str
    machine: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    repeats: Repeats = Repeats(0, 0, 0)
    unrecorded: Repeats | None = None
    pinned: Repeats | None = None
    growth: tuple[Growth, ...] = ()
    pinpoint: Pinpoint | None = None
    causes: tuple[Cause, ...] = ()
    fix: Fix | None = None
    no_fix_reason: str = ""
    cost: Costs | None = None
    no_cost_reason: str = ""
    variations: tuple[Varied, ...] = ()
    outputs: tuple[Output, ...] = ()
    origin: str = ""
    quantity: Quantity | None = None
    observer: Observer = Observer()
    search: Search = Search()
    unresolved_pins: tuple[str, ...] = ()
    changed_files: tuple[str, ...] = ()
    isolation: Isolation = Isolation()
    notes: tuple[str, ...] = ()
    traceback: str = ""
    # The program's own; they stand in no report, and secrets among them are masked everywhere in it
    arguments: tuple[str, ...] = ()
    # What the first run printed; it is shown where asked for, and stands in no report
    output: str = ""
    trials: tuple[Finished, ...] = ()
    steps: int | None = None
    strict: bool = False
    over_budget: bool = False
    interrupted: bool = False
    failure: Failure | None = None
    resume: str | None = None
    own_fault: bool = False
    began: str = ""
    seconds: float = 0.0

"""The findings of ``detaudit run``, as values. The report is built from these alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from detaudit.core.conclusion import Failure
from detaudit.core.divergence import Divergence
from detaudit.core.experiment import Finished
from detaudit.core.pinpoint import Pinpoint
from detaudit.core.step_grid import StepGrid

RUNS_DIFFER = "two runs of the same script differ"
TRAINING, FITS, OUTPUT, END = "training", "fits", "output", "end"  # what the verdict is about
INPUT_CHANGED = "input-changed"  # the source that the experiments with left files find


@dataclass(frozen=True)
class Repeats:
    """Runs of one condition: disjoint pairs, and the first divergence.

    ``cut_short``: of the first two runs that differ, one made more steps than the other, and the
    common steps match.
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

    @property
    def differs_always(self) -> bool:
        """Whether every pair differs."""
        return self.differing == self.pairs


@dataclass(frozen=True)
class Site:
    """A line that drew from a source, in so many ``processes``. If ``in_user_code`` is true, the
    line itself drew, not a library that it called; with no ``draws``, the line is the call of a
    library's that a fix changes, and ``stack`` the function's name. ``in_worker``: also in a
    process that runs tasks for the script's, and does not inherit the state that it seeds.
    ``traced``: while a framework traced the function.
    """

    file: str
    line: int
    function: str
    draws: int
    in_user_code: bool
    stack: tuple[str, ...] = ()
    processes: int = 1
    in_worker: bool = False
    traced: bool = False


@dataclass(frozen=True)
class Cause:
    """A source that must be pinned. ``necessary``: runs differ if only this pin is removed."""

    source: str
    pin: str
    necessary: bool | None
    sites: tuple[Site, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Fix:
    """A change of the user's own program. ``verified`` is true only if ``runs`` runs of it were
    bitwise identical.

    They exclude at 95 % that more than ``excluded_rate`` of its pairs differ. ``diff`` is a unified
    diff, ``environment`` are variables that must also be set; ``cost`` and ``cost_range`` as for a
    pin. ``texts`` are the changed files, before and after, by their names. ``calls`` are those of
    libraries that it gives an argument, each with the source that it pins.
    """

    diff: str
    environment: tuple[tuple[str, str], ...]
    verified: bool | None
    runs: int
    reason: str
    cost: float | None = None
    cost_range: tuple[float, float] | None = None
    excluded_rate: float | None = None
    texts: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    calls: tuple[tuple[str, Site], ...] = ()


@dataclass(frozen=True)
class Cost:
    """The time of the script with ``pins`` divided by its time with the pins of ``base``.

    ``cost`` is the median over several rounds, with the smallest and the largest ratio; None if a
    run did not complete.
    """

    pins: tuple[str, ...]
    base: tuple[str, ...] = ()
    cost: float | None = None
    cost_range: tuple[float, float] | None = None


@dataclass(frozen=True)
class Costs:
    """The cost of the tried pins: ``each`` by itself, and ``combined``.

    ``noise`` compares the unchanged script with itself. ``faster_set`` is another set of pins with
    which runs match, and which was faster than the previous set in every round. None if there is
    none; ``faster_sets_tried`` says in words where one was searched for.
    """

    rounds: int
    noise: Cost
    each: tuple[Cost, ...]
    combined: Cost
    faster_set: Cost | None = None
    faster_sets_tried: tuple[str, ...] = ()

    @property
    def fastest(self) -> tuple[str, ...]:
        """Return the fastest set of pins with which runs were shown to match."""
        return self.faster_set.pins if self.faster_set is not None else self.combined.pins


@dataclass(frozen=True)
class Varied:
    """A setting that may be different on another machine. ``matches`` is None if it could not be
    tried.
    """

    source: str
    title: str
    matches: bool | None
    reason: str
    divergence: Divergence | None = None


@dataclass(frozen=True)
class Output:
    """Something that runs ``saved`` under a name, or ``printed``; ``line`` is the first line that
    they printed differently.

    The other kinds are beside the training: a ``metric``, ``data`` that no step used, the final
    state of a ``generator``, a ``name``.
    """

    kind: str
    name: str
    matches: bool
    line: int | None = None


@dataclass(frozen=True)
class Quantity:
    """A loss or metric, as the script's author reads it, that differed between two runs."""

    name: str
    first: float
    second: float


@dataclass(frozen=True)
class Growth:
    """How far two runs are apart after one step: the share of weight elements that differ, and the
    largest distances.
    """

    step: int
    differing_elements: int
    total: int
    ulps_max: int | None
    max_abs: float | None


@dataclass(frozen=True)
class Search:
    """The work of the search for causes: trials, seconds, and its steps in words, in order."""

    trial_count: int = 0
    seconds: float = 0.0
    questions: tuple[str, ...] = ()
    incompatible_pins: tuple[str, ...] = ()
    unexercised_pins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Observer:
    """Whether recording leaves the bits of a run unchanged. ``bits_unchanged`` is None if it was
    not tried.
    """

    bits_unchanged: bool | None = None
    reason: str = "not tried"


@dataclass(frozen=True)
class Isolation:
    """How the user's folder was protected from the runs: the ``kind``, and the ``reason`` if a
    better one was not possible.

    ``left_out`` are names below the folder that were hidden from the runs, ``elsewhere`` paths
    outside of it that they wrote to, ``not_restored`` names below it that are not as they were
    before the audit.
    """

    kind: str = ""
    reason: str = ""
    left_out: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    not_restored: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunAudit:
    """All findings of one ``detaudit run``. ``reproducible`` is None if it was not decided.

    ``steps`` is the number of steps that they cover, if runs were ended early; ``judged_by`` is
    ``FITS`` or ``OUTPUT`` if no training step was observed, ``END`` if steps have no order;
    ``own_fault`` is true if a fault of detaudit ended the audit. ``step_grid`` shows the first two
    runs that differ.
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
    # The program's own; they are in no report, and secrets among them are masked everywhere in it
    arguments: tuple[str, ...] = ()
    # The output of the first run; it is shown on request, and is in no report
    output: str = ""
    trials: tuple[Finished, ...] = ()
    steps: int | None = None
    judged_by: str = TRAINING
    step_grid: StepGrid | None = None
    strict: bool = False
    over_budget: bool = False
    interrupted: bool = False
    failure: Failure | None = None
    resume: str | None = None
    own_fault: bool = False
    began: str = ""
    seconds: float = 0.0

"""The findings of a sweep over operations, as values."""

from dataclasses import dataclass, field
from typing import Any

from detaudit.core.conclusion import Failure
from detaudit.core.divergence import Divergence
from detaudit.core.experiment import Finished
from detaudit.core.pinpoint import LocatedOperation, Replays


@dataclass(frozen=True)
class Operation:
    """One entry of the catalogue in one dtype.

    ``default``, ``deterministic`` and ``one_thread`` are its replays with default settings, under
    op determinism, and with one thread; None if it did not run. ``refusal_message`` is the error
    that it raised under op determinism. ``confirmed`` are further replays if some differed.
    ``same_on_one_thread`` and ``same_without_onednn``: are the bits the same with one thread, and
    without oneDNN? ``same_in_a_batch``: is the first example the same in a batch and alone? None if
    this was not tried. ``cost`` is the time under op determinism divided by the default time, with
    the smallest and the largest of these ratios. ``library_message`` is the library's own statement
    about the operation, ``contradicts_documentation`` the observation that contradicts it.
    ``unseeded`` counts the processes in which a random operation was called with its defaults,
    after the global seeds were set, and their distinct results.
    """

    name: str
    dtype: str
    verdict: str
    reason: str
    default: Replays | None = None
    deterministic: Replays | None = None
    one_thread: Replays | None = None
    confirmed: Replays | None = None
    refusal_message: str = ""
    same_on_one_thread: bool | None = None
    same_without_onednn: bool | None = None
    same_in_a_batch: bool | None = None
    cost: float | None = None
    cost_range: tuple[float, float] | None = None
    executed: tuple[str, ...] = ()
    differing_operation: LocatedOperation | None = None
    divergence: Divergence | None = None
    library_message: str = ""
    contradicts_documentation: str = ""
    unseeded: Replays | None = None


@dataclass(frozen=True)
class Refusal:
    """A message of the installed library: these ``operations`` refuse to run under op determinism.

    ``refused_here`` refused here, ``ran_here`` ran here all the same.
    """

    message: str
    operations: tuple[str, ...]
    refused_here: tuple[str, ...] = ()
    ran_here: tuple[str, ...] = ()


@dataclass(frozen=True)
class OpsAudit:
    """Everything that ``detaudit ops`` found."""

    options: dict[str, Any]
    device: str
    operations: tuple[Operation, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    trials: tuple[Finished, ...] = ()
    warnings: tuple[str, ...] = ()
    machine: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    began: str = ""
    seconds: float = 0.0
    strict: bool = False
    requested: tuple[str, ...] = ()
    over_budget: bool = False
    interrupted: bool = False
    failure: Failure | None = None
    resume: str | None = None

"""What a sweep over operations found, as values."""

from dataclasses import dataclass, field
from typing import Any

from detaudit.core.conclusion import Failure
from detaudit.core.divergence import Divergence
from detaudit.core.experiment import Finished
from detaudit.core.pinpoint import LocatedOperation, Replays


@dataclass(frozen=True)
class Operation:
    """One entry of the catalogue in one dtype.

    ``default``, ``deterministic``, ``one_thread`` are its replays as it is, under op determinism,
    and with one thread; None where it did not run. ``refusal_message`` is what it raised under op
    determinism. ``confirmed`` are further replays of what parted. ``same_on_one_thread``,
    ``same_without_onednn``: the same bits with one thread, without oneDNN? ``same_in_a_batch``: the
    first example of a batch and that example alone? None where that was not seen. ``cost`` is the
    ratio of times under op determinism, with its least and its greatest. ``library_message`` is the
    library's own message on it, and ``contradicts_documentation`` what was seen otherwise than
    said. ``unseeded`` counts processes in which a random operation was called by its defaults, the
    global seeds set, and their distinct results.
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
    """A message of the installed library: these ``operations`` refuse to run under op determinism
    somewhere.

    ``refused_here`` are those that did here, ``ran_here`` those that were called here and did not.
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

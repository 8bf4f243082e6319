"""What a sweep over operations found, as values."""

from dataclasses import dataclass, field
from typing import Any

from detaudit.core.conclusion import Failure
from detaudit.core.divergence import Divergence
from detaudit.core.experiment import Finished
from detaudit.core.pinpoint import Guilty, Replays


@dataclass(frozen=True)
class Operation:
    """One entry of the catalogue in one dtype.

    ``default``, ``deterministic``, ``one_thread`` are its replays as it is, under op determinism,
    and with one thread; None where it did not run. ``refused`` is what it raised under op
    determinism. ``confirmed`` are further replays of what parted. ``threads_agree``,
    ``onednn_agrees``: the same bits with one thread, without oneDNN? ``batch_agrees``: the first
    example of a batch and that example alone? None where that was not seen. ``cost`` is the ratio
    of times under op determinism, with its least and its greatest. ``said`` is the library's own
    message on it, and ``contrary`` what was seen otherwise than said. ``unseeded`` counts processes
    in which a random operation was called by its defaults, the global seeds set, and their distinct
    results.
    """

    name: str
    dtype: str
    verdict: str
    reason: str
    default: Replays | None = None
    deterministic: Replays | None = None
    one_thread: Replays | None = None
    confirmed: Replays | None = None
    refused: str = ""
    threads_agree: bool | None = None
    onednn_agrees: bool | None = None
    batch_agrees: bool | None = None
    cost: float | None = None
    cost_range: tuple[float, float] | None = None
    executed: tuple[str, ...] = ()
    guilty: Guilty | None = None
    divergence: Divergence | None = None
    said: str = ""
    contrary: str = ""
    unseeded: Replays | None = None


@dataclass(frozen=True)
class Refusal:
    """A message of the installed library: these ``operations`` refuse to run under op determinism
    somewhere.

    ``seen`` are those that did here, ``ran`` those that were called here and did not.
    """

    message: str
    operations: tuple[str, ...]
    seen: tuple[str, ...] = ()
    ran: tuple[str, ...] = ()


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
    asked: tuple[str, ...] = ()
    cut: bool = False
    interrupted: bool = False
    failure: Failure | None = None
    resume: str | None = None

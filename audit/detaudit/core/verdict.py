"""Verdicts: what the experiments showed about one source (docs/reference/verdicts.md)."""

from dataclasses import dataclass

from detaudit.core.divergence import Divergence
from detaudit.core.pinpoint import Pinpoint

REPRODUCIBLE, NEEDS_PIN, VARIES, BROKEN = "reproducible", "needs-pin", "varies", "broken"
SKIPPED, ERROR = "skipped", "error"


@dataclass(frozen=True)
class Count:
    """What the pairs of one condition showed: ``matching`` and ``differing`` of them, by what they
    are called.
    """

    name: str
    model: str
    matching: int
    differing: int

    @property
    def pairs(self) -> int:
        return self.matching + self.differing


@dataclass(frozen=True)
class Verdict:
    """``trials`` are the numbers of the trials it rests on. ``pin`` is the pin that was seen to
    hold.

    ``settings`` groups the names of settings that gave the same bits, per model. ``excluded_rate``
    is the parting rate above which the agreeing pairs exclude it at 95 %, where they agreed.
    ``pinpoint`` is the operation at which loose runs part, where their step could be replayed.
    """

    source: str
    verdict: str
    reason: str
    trials: tuple[int, ...] = ()
    pin: str | None = None
    divergence: Divergence | None = None
    settings: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...] = ()
    counts: tuple[Count, ...] = ()
    excluded_rate: float | None = None
    other_pins: tuple[str, ...] = ()
    pinpoint: Pinpoint | None = None

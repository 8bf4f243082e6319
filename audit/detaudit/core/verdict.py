"""Verdicts: what the experiments showed about one source (docs/reference/verdicts.md)."""

from dataclasses import dataclass

from detaudit.core.divergence import Divergence
from detaudit.core.pinpoint import Pinpoint

REPRODUCIBLE, NEEDS_PIN, VARIES, BROKEN = "reproducible", "needs-pin", "varies", "broken"
SKIPPED, ERROR = "skipped", "error"


@dataclass(frozen=True)
class Count:
    """The numbers of ``matching`` and ``differing`` pairs of one condition."""

    name: str
    model: str
    matching: int
    differing: int

    @property
    def pairs(self) -> int:
        return self.matching + self.differing


@dataclass(frozen=True)
class Verdict:
    """``trials`` are the numbers of the trials behind the verdict. ``pin`` is the pin that was
    shown to work.

    ``settings`` groups the names of settings that gave the same bits, per model. ``excluded_rate``:
    the matching pairs exclude at 95 % that more than this share of pairs differ. ``pinpoint`` is
    the operation at which unpinned runs differ, if their step could be replayed.
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

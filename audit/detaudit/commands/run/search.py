"""A smallest set of pins that makes runs agree, by QuickXplain.

Junker, "QuickXplain: preferred explanations and relaxations for over-constrained problems" (AAAI
2004): a minimal subset in at most 2k(1 + log2(n/k)) questions, for k pins needed among n, and of
several the one that prefers pins that come earlier. A question is an experiment of its own, so the
search is a generator as every experiment is.
"""

from collections.abc import Callable, Generator, Sequence
from typing import Any

Pins = tuple[str, ...]
#: Whether runs agree with these pins held.
Question = Callable[[Pins], Generator[Any, Any, bool]]


def smallest(matches: Question, pins: Sequence[str]) -> Generator[Any, Any, Pins]:
    """A minimal subset of ``pins`` with which runs agree; with all of them they do, with none they
    do not.
    """
    found = yield from _needed(matches, (), False, tuple(pins))
    return tuple(pin for pin in pins if pin in found)


def _needed(matches: Question, pinned: Pins, grown: bool, rest: Pins) -> Generator[Any, Any, Pins]:
    """What of ``rest`` is needed besides ``pinned``. ``grown``: ``pinned`` has more than where it
    was last asked about.
    """
    if grown and (yield from matches(pinned)):
        return ()
    if len(rest) == 1:
        return rest
    half = len(rest) // 2
    earlier, later = rest[:half], rest[half:]
    of_later = yield from _needed(matches, pinned + earlier, True, later)
    of_earlier = yield from _needed(matches, pinned + of_later, bool(of_later), earlier)
    return of_earlier + of_later

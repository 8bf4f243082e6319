"""Finds a smallest set of pins with which runs match, by QuickXplain.

Junker, "QuickXplain: preferred explanations and relaxations for over-constrained problems" (AAAI
2004): it finds a minimal subset in at most 2k(1 + log2(n/k)) questions, if k of n pins are needed;
of several such subsets it prefers the one with pins that come earlier. A question is itself an
experiment, so the search is a generator like every experiment.
"""

from collections.abc import Callable, Generator, Sequence
from typing import Any

Pins = tuple[str, ...]
#: Whether runs match with these pins.
Question = Callable[[Pins], Generator[Any, Any, bool]]


def smallest(matches: Question, pins: Sequence[str]) -> Generator[Any, Any, Pins]:
    """Return a minimal subset of ``pins`` with which runs match. With all of them they match, with
    none they differ.
    """
    found = yield from _needed(matches, (), False, tuple(pins))
    return tuple(pin for pin in pins if pin in found)


def _needed(matches: Question, pinned: Pins, added: bool, rest: Pins) -> Generator[Any, Any, Pins]:
    """Return the pins of ``rest`` that are needed in addition to ``pinned``. ``added``: ``pinned``
    has more pins than at the last question about it.
    """
    if added and (yield from matches(pinned)):
        return ()
    if len(rest) == 1:
        return rest
    half = len(rest) // 2
    earlier, later = rest[:half], rest[half:]
    of_later = yield from _needed(matches, pinned + earlier, True, later)
    of_earlier = yield from _needed(matches, pinned + of_later, bool(of_later), earlier)
    return of_earlier + of_later

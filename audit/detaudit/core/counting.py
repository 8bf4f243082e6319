"""What counts of matching and differing pairs show."""

from collections.abc import Sequence
from math import comb
from typing import TypeVar

SIGNIFICANT = 0.05
Value = TypeVar("Value")


def evenly_chosen(values: Sequence[Value], most: int) -> list[Value]:
    """Return at most so many of the values, evenly chosen, the first and the last among them."""
    if len(values) <= most:
        return list(values)
    places = sorted({round(place * (len(values) - 1) / (most - 1)) for place in range(most)})
    return [values[place] for place in places]


def excluded_rate(matching: int) -> float:
    """Return the rate of differing pairs above which ``matching`` disjoint, independent pairs
    exclude it at 95 %.

    If pairs differ with probability p, n match with probability (1 - p)^n; that is below 0.05 for
    every p above 1 - 0.05^(1/n). 1 pair: 0.95, 5: 0.45, 29: 0.10.
    """
    if matching < 1:
        raise ValueError("without a matching pair, no rate is excluded")
    return 1 - 0.05 ** (1 / matching)


def pairs_needed(rate: float) -> int:
    """Return how many pairs show a source with this rate of differing pairs at least once, with 95
    % probability.

    Raises ValueError for a rate that is not above zero.
    """
    if rate <= 0:
        raise ValueError("no number of pairs shows a rate of 0")
    count = 1
    while (1 - rate) ** count > 0.05:
        count += 1
    return count


def fisher(differing_unpinned: int, unpinned: int, differing_pinned: int, pinned: int) -> float:
    """Return the one-sided Fisher p: the probability that at least this many of the differing pairs
    are unpinned ones by chance.
    """
    differing = differing_unpinned + differing_pinned
    total = comb(unpinned + pinned, differing)
    ways = range(differing_unpinned, min(unpinned, differing) + 1)
    return (
        sum(
            comb(unpinned, k) * comb(pinned, differing - k) for k in ways if differing - k <= pinned
        )
        / total
    )


def matches_needed(differing: int, pairs: int, level: float = SIGNIFICANT) -> int | None:
    """Return how many matching pairs of another condition exclude that ``differing`` of ``pairs``
    differ here by chance.

    With that many, the one-sided Fisher p is below ``level``. None for fewer than two differing
    pairs: an effect that was not repeated shows nothing, however often the other condition matches.
    """
    if differing < 2:
        return None
    matching = 1
    while fisher(differing, pairs, 0, matching) >= level:
        matching += 1
    return matching

"""Measures what pins cost on the user's own script, and whether a faster set of pins works too.

Timed runs are unrecorded, alone on the machine and in alternation: each round has one unchanged run
and one of every condition, and every other round has the opposite order. The time is taken from
after Keras was imported. The unchanged script is also timed against itself: ratios within that
range are noise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median

from detaudit.commands.run.case import Case
from detaudit.commands.run.findings import Cost, Costs
from detaudit.commands.run.repeat import FRESH, MORE, ask
from detaudit.commands.run.search import Pins, smallest
from detaudit.core.condition import Condition, Trial
from detaudit.core.experiment import Experiment, Finished

ROUNDS = 3  # of every pin
#: Rounds of two sets. The faster one must be faster in each of them; by chance, that happens once
#: in 32.
DUEL = 5
LITTLE = 0.1  # of the time that an audit has taken so far
#: The numbers of the first timed runs, ten apart: none of them exists already.
FIX, FIRST, BESIDE, DUELS = 200, 210, 1000, 2000


def seconds(pins: int, run: float) -> float:
    """Return approximately how many seconds it takes to time this many pins of a script, of which
    one run takes ``run`` seconds.
    """
    return ROUNDS * (pins + 3) * run


def wanted(case: Case, needs: float) -> bool:
    """Whether to time something that ``needs`` so many seconds: only if it takes little compared to
    the audit so far, unless the user has decided.
    """
    return needs <= LITTLE * case.spent() if case.cost is None else case.cost


def measure(case: Case, needed: Pins, tried: Pins, pairs: int) -> Experiment[Costs]:
    """Measure ``tried`` pin by pin and ``needed`` together; then look for a faster set with the
    same kind of search. ``pairs`` is the number of pairs per question of the search.
    """
    sets = list(dict.fromkeys([*((pin,) for pin in tried), needed]))
    before, again, *after = yield from timed(
        [case.unpinned, case.unpinned, *map(case.pinned, sets)], ROUNDS, FIRST
    )
    costs = {
        pins: Cost(pins, (), *ratios(before, seconds))
        for pins, seconds in zip(sets, after, strict=True)
    }
    alone = {pin: costs[(pin,)] for pin in tried}
    for place, pin in enumerate(tried):
        if alone[pin].cost is None:
            alone[pin] = yield from _beside(
                case, pin, tuple(one for one in needed if one != pin), 10 * place
            )
    found = Costs(
        ROUNDS, Cost((), (), *ratios(before, again)), tuple(alone.values()), costs[needed]
    )
    for place, pin in enumerate(needed):
        if pin in found.fastest:
            found = yield from _without(case, pin, found, alone, pairs, 10 * place)
    return found


def _beside(case: Case, pin: str, others: Pins, place: int) -> Experiment[Cost]:
    """Time a pin that makes the script fail by itself (op determinism does, without seeds) together
    with other pins.
    """
    both = (*others, pin)
    before, after = yield from timed(
        [case.pinned(others), case.pinned(both)], ROUNDS, BESIDE + place
    )
    return Cost(both, others, *ratios(before, after))


def _without(
    case: Case, pin: str, found: Costs, alone: Mapping[str, Cost], pairs: int, place: int
) -> Experiment[Costs]:
    """Return ``found`` with a faster set in which cheaper pins replace ``pin``, if there is one."""
    rest = tuple(one for one in found.fastest if one != pin)
    cheaper = sorted(
        (one for one in alone if one not in found.fastest and _cheaper(alone[one], alone[pin])),
        key=lambda one: alone[one].cost or 0.0,
    )
    if not cheaper:
        return found
    asked = f"without {pin}, trying {', '.join((*rest, *cheaper))}"

    def matches(pinned: Pins) -> Experiment[bool]:
        return (yield from ask(case.pinned(pinned), pairs)).matches is True

    if not (yield from matches((*rest, *cheaper))):
        return replace(
            found,
            faster_sets_tried=(
                *found.faster_sets_tried,
                f"{asked}: runs differ even with all of them",
            ),
        )
    other = yield from smallest(matches, (*rest, *cheaper))
    name = ", ".join(other)
    if (yield from ask(case.pinned(other), max(pairs, MORE), FRESH)).matches is not True:
        return replace(
            found,
            faster_sets_tried=(
                *found.faster_sets_tried,
                f"{asked}: with {name}, fresh runs differ",
            ),
        )
    before, after = yield from timed(
        [case.pinned(found.fastest), case.pinned(other)], DUEL, DUELS + place
    )
    cost = Cost(other, found.fastest, *ratios(before, after))
    if cost.cost_range is None or cost.cost_range[1] >= 1:
        return replace(
            found,
            faster_sets_tried=(
                *found.faster_sets_tried,
                f"{asked}: {name} also works, but is not faster",
            ),
        )
    return replace(
        found,
        faster_set=cost,
        faster_sets_tried=(*found.faster_sets_tried, f"{asked}: {name} also works, and is faster"),
    )


def _cheaper(one: Cost, other: Cost) -> bool:
    """Whether every ratio of the first is below every ratio of the second."""
    return (
        one.cost_range is not None
        and other.cost_range is not None
        and one.cost_range[1] < other.cost_range[0]
    )


# Timing -------------------------------------------------------------------------------------------


def timed(
    conditions: Sequence[Condition], rounds: int, first: int
) -> Experiment[list[list[float]]]:
    """Return the seconds of each condition, one per round; an empty result if a run did not
    complete. A condition that is listed twice is run twice in each round.
    """
    seconds: list[list[float]] = [[] for _ in conditions]
    failed: set[Condition] = set()
    for number in range(rounds):
        places = range(len(conditions)) if number % 2 == 0 else range(len(conditions) - 1, -1, -1)
        for place in places:
            if conditions[place] in failed:
                continue
            again = conditions[:place].count(conditions[place])
            trial = Trial(
                conditions[place].with_orders(record=False), first + number + again * rounds
            )
            done = (yield [trial])[trial]  # requested by itself, so that nothing runs beside it
            took = _seconds(done)
            if took is None:
                failed.add(conditions[place])
            else:
                seconds[place].append(took)
    return [[] if one in failed else found for one, found in zip(conditions, seconds, strict=True)]


def ratios(
    before: Sequence[float], after: Sequence[float]
) -> tuple[float | None, tuple[float, float] | None]:
    """Return the median of the rounds' ratios, with the smallest and the largest."""
    found = sorted(round(late / early, 3) for early, late in zip(before, after, strict=False))
    return (median(found), (found[0], found[-1])) if found else (None, None)


def _seconds(done: Finished) -> float | None:
    if done.completed_trace is None:
        return None
    return done.completed_trace.measures.after_import or None

"""Runs with everything pinned: the control of the search. What they show depends on no source."""

from collections.abc import Sequence

from detaudit_probes.sources import MAY_FAIL

from detaudit.commands.run.case import Case
from detaudit.commands.run.findings import Observer
from detaudit.commands.run.repeat import Answer, ask, compare_ends
from detaudit.commands.run.search import Pins
from detaudit.core.condition import Condition, Trial
from detaudit.core.divergence import Comparison, Divergence, Incomparable
from detaudit.core.experiment import Experiment, Finished

OBSERVED = 3  # unrecorded runs whose final bits all differ from those of recorded ones


def relevant(case: Case, done: Sequence[Finished]) -> tuple[Pins, Pins]:
    """Return the pins to try, and those whose source no run used."""
    met: set[str] = set()
    for one in done:
        if one.trace is not None:
            met |= {name for name, count in one.trace.evidence.items() if count}
    trying, untouched = [], []
    for pin in case.pins:
        source = case.of_pin(pin)
        countable = source.script is not None and source.script.counted
        (trying if not countable or source.id in met else untouched).append(pin)
    return tuple(trying), tuple(untouched)


def control(case: Case, pins: Pins, pairs: int) -> Experiment[tuple[Answer, Pins, Pins]]:
    """Run with everything pinned. If pins make the script fail, leave out those and no others: the
    second result are the pins that stay, the third those that were left out. If the script fails
    without these too, none is to blame.
    """
    answer = yield from _matches(case, pins, pairs)
    kept = tuple(pin for pin in pins if pin not in MAY_FAIL)
    if answer.matches is not None or kept == pins:
        return answer, pins, ()
    if (yield from _matches(case, kept, 1)).matches is None:
        return answer, pins, ()
    for one in [pin for pin in pins if pin in MAY_FAIL]:
        more = (*kept, one)
        if (yield from _matches(case, more, 1)).matches is not None:
            kept = more
    kept = tuple(pin for pin in pins if pin in kept)
    again = yield from _matches(case, kept, pairs)
    return again, kept, tuple(pin for pin in pins if pin not in kept)


def _matches(case: Case, pins: Pins, pairs: int) -> Experiment[Answer]:
    return (yield from ask(_short(case, pins), pairs))


def _short(case: Case, pins: Pins) -> Condition:
    return case.compared(case.short(case.pinned(pins)))


def observe(case: Case, pins: Pins) -> Experiment[Observer]:
    """With all pins, do unrecorded runs end with the bits of recorded ones? If they do not, this is
    tried again.
    """
    condition = _short(case, pins)
    differed = 0
    compared: Comparison | None = None
    while differed < OBSERVED and (compared is None or isinstance(compared, Divergence)):
        recorded = Trial(condition, differed)
        unrecorded = Trial(condition.with_orders(record=False), differed)
        found = yield [recorded, unrecorded]
        compared = compare_ends(found[recorded], found[unrecorded])
        differed += isinstance(compared, Divergence)
    if isinstance(compared, Incomparable):
        return Observer(None, "an unrecorded run could not be compared")
    if differed == OBSERVED:
        return Observer(False, "with everything pinned, recorded and unrecorded runs differ")
    if differed:
        return Observer(
            None,
            "with everything pinned, recorded and unrecorded runs differed once, and matched when repeated",
        )
    return Observer(True, "with everything pinned, recorded and unrecorded runs match")

"""Finds out why runs of a program differ: control, search, necessity, lines, fix. A cause is named
only if an experiment showed it.
"""

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

from detaudit.commands.run import blame, cost, fix, growth
from detaudit.commands.run.case import Case, Investigation
from detaudit.commands.run.findings import RUNS_DIFFER, Cause, Observer, Repeats, RunAudit, Search
from detaudit.commands.run.origin import suspects
from detaudit.commands.run.repeat import (
    FRESH,
    MORE,
    MOST_MATCHES,
    SHORT,
    Answer,
    ask,
    compare_ends,
    counted,
    matches_for,
    pairs_for,
    repeated,
)
from detaudit.commands.run.search import Pins, smallest
from detaudit.core.condition import Trial
from detaudit.core.divergence import Divergence, Incomparable
from detaudit.core.events import Phase
from detaudit.core.experiment import Finished
from detaudit.core.sentences import share

#: Pins that may break a script: if it fails with all of them together, these are left out one by
#: one.
RISKY = (
    "op-determinism",
    "xla-deterministic",
    "fixed-addresses",
    "one-pool-thread",
    "one-process",
    "clock",
    "os-entropy",
    "one-thread",
    "one-worker",
    "serial-map",
    "dense-update",
    "ordered-updates",
)
COPIES = 8  # pairs of runs that each have a copy of the folder
ROUNDS = 4  # searches, each with more pairs than the one before
EVERYTHING = "runs differ with everything pinned: no source that detaudit can pin explains it"
# The significance level at which a cause is named: four pairs that differ, five that match
CAUSE = 0.01
DOUBTFUL = 3  # pins of a set that could not be shown to be necessary: the others are not tried
OBSERVED = 3  # unrecorded runs whose final bits all differ from those of recorded ones


def explain(case: Case, audit: RunAudit, done: Sequence[Finished]) -> Investigation:
    """Return ``audit`` with the causes, their lines and a fix; or with the observations, if no
    cause can be named.
    """
    audit = replace(audit, reproducible=False, reason=RUNS_DIFFER)
    case = replace(case, backend=backend_of(done) or case.backend)
    began, counter = time.monotonic(), _Counter()
    pins, untouched = _relevant(case, done)
    pairs, matching = pairs_for(audit.repeats), matches_for(audit.repeats)
    if matching is None:
        audit = yield from growth.measure(case.unpinned, audit)
        rate = share(audit.repeats.differing, audit.repeats.pairs)
        return replace(
            audit,
            unresolved_pins=pins,
            search=Search(unexercised_pins=untouched),
            reason=unresolved(case, f"{rate}, too few for a search"),
        )
    case.known_so_far(replace(audit, unresolved_pins=pins))
    case.emit(Phase("Control: runs with everything pinned"))
    often = pairs if audit.repeats.differing == audit.repeats.pairs else max(pairs, matching)
    control, pins, invalid = yield from counter.of(_control(case, pins, often))
    search = Search(unexercised_pins=untouched, incompatible_pins=invalid)
    audit = replace(audit, pinned=control.repeats)
    if control.matches is None:
        return replace(
            audit,
            search=counter.summary(search, began),
            unresolved_pins=pins,
            reason=unresolved(
                case,
                f"the cause was not found, because runs with everything pinned could not be compared: {control.reason}",
            ),
        )
    if not control.matches:
        audit = yield from growth.measure(case.unpinned, audit)
        return replace(
            audit,
            search=counter.summary(search, began),
            unresolved_pins=pins,
            reason=unresolved(case, EVERYTHING),
        )
    case.known_so_far(replace(audit, unresolved_pins=pins, search=counter.summary(search, began)))
    case.emit(Phase("Searching for the pins that are needed"))
    found = yield from counter.of(
        _search(case, pins, done, audit.repeats, control.repeats.matching)
    )
    search = counter.summary(replace(search, questions=found.tried), began)
    if found.causes is None:
        why = "no set of pins was found that makes fresh runs match"
        if set(found.needed) == set(pins):
            why = EVERYTHING
        return replace(
            audit, search=search, unresolved_pins=found.needed, reason=unresolved(case, why)
        )
    causes = tuple(
        replace(cause, source=_source_of(case, cause.pin, repeats, audit.repeats.divergence))
        for cause, repeats in found.causes
    )
    doubtful = tuple(cause.pin for cause in causes if cause.necessary is False)
    if doubtful:
        return replace(
            audit,
            causes=tuple(cause for cause in causes if cause.necessary),
            search=search,
            unresolved_pins=doubtful,
            reason=unresolved(
                case,
                f"without {', '.join(doubtful)}, runs differ too rarely to distinguish the effect from chance",
            ),
        )
    case.known_so_far(replace(audit, causes=causes, search=search))
    observer = yield from _observe(case, pins)
    audit = yield from growth.measure(case.unpinned, audit)
    case.emit(Phase("Finding the lines that use these sources"))
    causes = yield from blame.sites(case, causes, max(pairs, MORE))
    audit = replace(audit, causes=causes, search=search, observer=observer)
    case.known_so_far(audit)
    case.emit(Phase("Trying a fix on a copy"))
    change, why = yield from fix.fix(case, causes, max(matching, fix.PAIRS))
    audit = replace(audit, fix=change, no_fix_reason=why)
    case.known_so_far(audit)
    timed = _worth_timing(case, pins, found.needed, found.asked)
    return (yield from _with_cost(case, audit, done, found.needed, timed, pairs))


def unresolved(case: Case, why: str) -> str:
    """Return what is reported if no source is named."""
    return f"unresolved after {case.runs()} runs: {why}"


def _with_cost(
    case: Case, audit: RunAudit, done: Sequence[Finished], needed: Pins, tried: Pins, pairs: int
) -> Investigation:
    """Return ``audit`` with the cost of the pins; for a long script only if the user asked for
    it.
    """
    seconds = done[0].outcome.seconds
    if not (seconds < SHORT if case.cost is None else case.cost):
        why = (
            ""
            if case.cost is False
            else f"one run takes {seconds:.0f} s; --cost times the pins anyway"
        )
        return replace(audit, no_cost_reason=why)
    case.emit(Phase("Timing the pins, one run at a time"))
    return replace(audit, cost=(yield from cost.measure(case, needed, tried, pairs)))


def _worth_timing(case: Case, pins: Pins, needed: Pins, asked: Sequence[Pins]) -> Pins:
    """Return the pins of the sets that the search tried, and those that cover the source of a
    necessary pin.
    """
    sources = {source for pin in needed for source in case.known[pin].sources}
    tried = {pin for pinned in asked for pin in pinned}
    return tuple(pin for pin in pins if pin in tried or sources & set(case.known[pin].sources))


def backend_of(done: Sequence[Finished]) -> str | None:
    """Return the Keras backend that the script used."""
    return next(
        (
            one.trace.measures.backend
            for one in done
            if one.trace is not None and one.trace.measures.backend is not None
        ),
        None,
    )


class _Counter:
    """Counts the trials that an experiment requests."""

    def __init__(self) -> None:
        self._keys: set[str] = set()

    def of(self, experiment: Generator) -> Generator:
        """Run the experiment and count its trials."""
        wanted = next(experiment)
        while True:
            self._keys |= {trial.key() for trial in wanted}
            try:
                wanted = experiment.send((yield wanted))
            except StopIteration as end:
                return end.value

    def summary(self, search: Search, began: float) -> Search:
        return replace(
            search, trial_count=len(self._keys), seconds=round(time.monotonic() - began, 1)
        )


def _relevant(case: Case, done: Sequence[Finished]) -> tuple[Pins, Pins]:
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


def _control(
    case: Case, pins: Pins, pairs: int
) -> Generator[Sequence[Trial], dict[Trial, Finished], tuple[Answer, Pins, Pins]]:
    """Run with everything pinned. If pins make the script fail, leave out those and no others."""
    answer = yield from ask(case.pinned(pins), pairs)
    if answer.matches is not None:
        return answer, pins, ()
    kept = tuple(pin for pin in pins if pin not in RISKY)
    for risky in [pin for pin in pins if pin in RISKY]:
        more = (*kept, risky)
        if (yield from ask(case.pinned(more), 1)).matches is not None:
            kept = more
    kept = tuple(pin for pin in pins if pin in kept)
    again = yield from ask(case.pinned(kept), pairs)
    return again, kept, tuple(pin for pin in pins if pin not in kept)


@dataclass(frozen=True)
class _Found:
    """A set of pins with which fresh runs matched, each with the runs in which it was left out.

    If ``causes`` is None, there is no such set, and ``needed`` are the pins of the last set tried.
    ``asked`` are the sets that the search tried.
    """

    needed: Pins
    causes: tuple[tuple[Cause, Repeats], ...] | None
    asked: tuple[Pins, ...]
    tried: tuple[str, ...]


def _search(
    case: Case, pins: Pins, done: Sequence[Finished], base: Repeats, most: int
) -> Generator[Sequence[Trial], dict[Trial, Finished], _Found]:
    """Find a smallest set of pins, confirmed by fresh runs; if they refute it, search again with
    more pairs.

    Once runs of a set differ, it is refuted for good, and so is each of its subsets. With all pins
    together, ``most`` pairs matched.
    """
    refuted: list[frozenset[str]] = []
    asked: list[Pins] = []
    tried: list[str] = []
    pairs, needed, causes = pairs_for(base), pins, None

    def matches(pinned: Pins) -> Generator:
        if any(refutation.issuperset(pinned) for refutation in refuted):
            return False
        answer = yield from ask(case.pinned(pinned), pairs)
        if answer.matches is False:
            refuted.append(frozenset(pinned))
        asked.append(pinned)
        said = {True: "runs match", False: "runs differ", None: "runs could not be compared"}
        tried.append(f"{', '.join(pinned) or 'nothing'} pinned: {said[answer.matches]}")
        return answer.matches is True

    suspected = suspects(done)
    first = tuple(pin for pin in pins if case.of_pin(pin).id in suspected)
    few = 0 < len(first) <= len(pins) // 2
    for _ in range(ROUNDS):
        needed = yield from smallest(
            matches, first if few and (yield from matches(first)) else pins
        )
        causes = yield from _shown(case, needed, max(pairs, MORE))
        if causes is not None:
            break
        tried.append(f"{', '.join(needed)} pinned: fresh runs differ")
        refuted.append(frozenset(needed))
        pairs = min(2 * pairs, max(most, 2 * MORE))
        if (yield from ask(case.pinned(pins), pairs, FRESH)).matches is not True:
            tried.append("all pinned: fresh runs differ")
            return _Found(pins, None, tuple(asked), tuple(tried))
    return _Found(needed, causes, tuple(asked), tuple(tried))


def _shown(
    case: Case, needed: Pins, pairs: int
) -> Generator[Sequence[Trial], dict[Trial, Finished], tuple[tuple[Cause, Repeats], ...] | None]:
    """Leave out each pin by itself, in fresh runs: do they differ again, and often enough that
    chance is excluded?

    At least ``pairs`` pairs, and as many as the significance needs, must match with all pins; None:
    they do not. If the script fails without a pin, as a script without seeds does under op
    determinism, it is unknown whether that pin is necessary.
    """
    if (yield from ask(case.pinned(needed), pairs, FRESH)).matches is not True:
        return None
    left_out = []
    level = CAUSE / len(needed)  # each pin is another chance to be wrong
    for pin in needed:
        if (
            sum(matching is None and not repeats.problem for _, repeats, matching in left_out)
            == DOUBTFUL
        ):
            # The set itself worked by chance: the rest is not tried
            left_out.append((pin, Repeats(0, 0, 0), None))
            continue
        without = case.pinned([other for other in needed if other != pin])
        most = min(MOST_MATCHES, 2 * case.most)
        repeats = counted((yield from repeated(without, FRESH, most=most, level=level)))
        left_out.append((pin, repeats, matches_for(repeats, level)))
    most = max((matching for _, _, matching in left_out if matching is not None), default=0)
    if most > pairs and (yield from ask(case.pinned(needed), most, FRESH)).matches is not True:
        return None
    causes = []
    for pin, repeats, matching in left_out:
        need = None if repeats.problem else matching is not None
        causes.append((Cause(case.of_pin(pin).id, pin, need), repeats))
    return tuple(causes)


def _source_of(case: Case, pin: str, repeats: Repeats, first: Divergence | None) -> str:
    """Return the source that the pin covers. A clock that ends the training shows in runs of
    unequal length.
    """
    where = repeats.divergence or first
    missing = where is not None and where.kind == "missing" and where.step is not None
    return (
        "wall-clock" if pin == "clock" and (missing or repeats.cut_short) else case.of_pin(pin).id
    )


def _observe(case: Case, pins: Pins) -> Generator[Sequence[Trial], dict[Trial, Finished], Observer]:
    """With all pins, do unrecorded runs end with the bits of recorded ones? One that does not is
    run again.
    """
    condition = case.pinned(pins)
    compared = []
    for number in range(OBSERVED):
        recorded, unrecorded = (
            Trial(condition, number),
            Trial(condition.with_orders(record=False), number),
        )
        found = yield [recorded, unrecorded]
        compared.append(compare_ends(found[recorded], found[unrecorded]))
        if not isinstance(compared[-1], Divergence):
            break
    if isinstance(compared[-1], Incomparable):
        return Observer(None, "an unrecorded run could not be compared")
    if isinstance(compared[-1], Divergence):
        return Observer(False, "with everything pinned, recorded and unrecorded runs differ")
    if len(compared) > 1:
        return Observer(
            None,
            "with everything pinned, recorded and unrecorded runs differed once, and matched when repeated",
        )
    return Observer(True, "with everything pinned, recorded and unrecorded runs match")

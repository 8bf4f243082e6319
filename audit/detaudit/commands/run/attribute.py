"""Finds out why runs of a program differ: control, search, necessity, lines, fix. A cause is named
only if an experiment showed it.

The search asks short runs, which end behind the first divergence. Whole runs confirm its result:
runs of the verified fix, which pins exactly what was found, or runs with these pins. If they differ
later, what was found stays, and the later divergence is searched for in the same way.
"""

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from detaudit.commands.run import blame, cost, cut, fix
from detaudit.commands.run.case import Case, Investigation
from detaudit.commands.run.causes import CONFIRMED, EVERYTHING, Finder, Found
from detaudit.commands.run.control import control, observe, relevant
from detaudit.commands.run.findings import RUNS_DIFFER, Cause, Repeats, RunAudit, Search
from detaudit.commands.run.repeat import (
    FRESH,
    Answer,
    ask,
    counted,
    fits_of,
    matches_for,
    pairs_for,
    repeated,
)
from detaudit.commands.run.search import Pins
from detaudit.core.divergence import Divergence
from detaudit.core.durations import duration
from detaudit.core.events import Notice, Phase
from detaudit.core.experiment import Experiment, Finished, side_by_side
from detaudit.core.sentences import capitalized, listed, share
from detaudit.execution.program.forks import NO_FORKS, Forks

LATER = 4  # divergences that are searched for, each later in the program than the one before


def explain(case: Case, audit: RunAudit, done: Sequence[Finished]) -> Investigation:
    """Return ``audit`` with the causes, their lines and a fix; or with the observations, if no
    cause can be named. ``done`` are the runs that differ.
    """
    audit = replace(audit, reproducible=False, reason=RUNS_DIFFER)
    base = _of_unchanged(audit)
    case = replace(
        case,
        backend=backend_of(done) or "",
        forks=_forks_for(case, base),
    )
    work = _Work()
    pins, untouched = relevant(case, done)
    work.search = Search(unexercised_pins=untouched)
    matching = matches_for(base)
    if matching is None:
        rate = share(audit.repeats.differing, audit.repeats.pairs)
        return replace(
            audit,
            unresolved_pins=pins,
            search=work.search,
            reason=unresolved(case, f"{rate}, too few for a search"),
        )
    case.known_so_far(replace(audit, unresolved_pins=pins))
    case.emit(Phase("Control: runs with everything pinned"))
    often = pairs_for(base) if base.differs_always else max(pairs_for(base), matching)
    pinned, left, invalid = yield from work.of(control(case, pins, often))
    if pinned.matches is None and case.cut is not None:
        # Short runs may fail, or train nothing, where whole ones do not
        case = replace(case, cut=None)
        pinned, left, invalid = yield from work.of(control(case, pins, often))
    pins = left
    work.note_incompatible(invalid)
    audit = replace(audit, pinned=pinned.repeats)
    if not pinned.matches:
        why = EVERYTHING
        fits = fits_of(pinned.runs)
        if len(fits) > 1:
            why = (
                f"runs differ with everything pinned: one fits {fits[0]} models, another {fits[-1]}. A limit in "
                f"seconds may decide, which detaudit does not reach in every library"
            )
        if pinned.matches is None:
            why = f"the cause was not found, because runs with everything pinned could not be compared: {pinned.reason}"
        return _unresolved(case, audit, work, pins, why)
    case.known_so_far(replace(audit, unresolved_pins=pins, search=work.summary()))
    current: _Round | None = _Round(
        case, pins, (), base, tuple(done), pinned.repeats.matching, _whole_pairs(base, matching)
    )
    for _ in range(LATER):
        if current is not None:
            audit, current = yield from _one_round(current, audit, work)
    if current is not None:
        audit = _with_rest(current, audit, work)
    return (yield from _with_cost(case, audit, done, work))


def _forks_for(case: Case, base: Repeats) -> Forks:
    """Return the forks that the search may use. They share what was drawn before the fork, but a
    rare difference needs independent runs.
    """
    return case.forks if base.differs_always else NO_FORKS


def _of_unchanged(audit: RunAudit) -> Repeats:
    """Return how many pairs of the unchanged program differed, recorded or not."""
    recorded, unrecorded = audit.repeats, audit.unrecorded
    if unrecorded is None:
        return recorded
    return replace(
        recorded,
        runs=recorded.runs + unrecorded.runs,
        matching=recorded.matching + unrecorded.matching,
        differing=recorded.differing + unrecorded.differing,
    )


def unresolved(case: Case, why: str) -> str:
    """Return what is reported if no source is named."""
    return f"unresolved after {case.runs()} runs: {why}"


def _unresolved(case: Case, audit: RunAudit, work: "_Work", pins: Pins, why: str) -> RunAudit:
    return replace(audit, search=work.summary(), unresolved_pins=pins, reason=unresolved(case, why))


@dataclass(frozen=True)
class _Round:
    """The search for one divergence. Runs with the pins of the causes ``known`` differ in ``base``
    of their pairs, such as ``runs``; with all ``pins``, ``most`` pairs matched. ``whole_pairs`` of
    whole runs must match in the end.
    """

    case: Case
    pins: Pins
    known: tuple[Cause, ...]
    base: Repeats
    runs: tuple[Finished, ...]
    most: int
    whole_pairs: int

    def finder(self) -> Finder:
        known = _pins_of(self.known)
        rest = tuple(pin for pin in self.pins if pin not in known)
        return Finder(self.case, rest, known, self.runs, self.base, self.most)


def _whole_pairs(base: Repeats, matching: int) -> int:
    """Return how many whole pairs must match, if ``matching`` pairs exclude that the differing ones
    of ``base`` are chance.
    """
    return CONFIRMED if base.differs_always else matching


def _pins_of(causes: Sequence[Cause]) -> Pins:
    return tuple(cause.pin for cause in causes)


def _one_round(
    current: _Round, audit: RunAudit, work: "_Work"
) -> Experiment[tuple[RunAudit, _Round | None]]:
    """Find the causes of one divergence, their lines and a fix. If whole runs with all pins found
    so far differ later, also return the round that searches for that.
    """
    case = current.case
    case.emit(Phase("Searching for the pins that are needed"))
    finder = work.start(current.finder())
    while True:
        result = yield from work.of(finder.find())
        if result.causes is None or result.doubtful:
            return (yield from _unexplained(current, finder, audit, work, result)), None
        audit = yield from _with_lines(current, audit, result.causes, work)
        # Whole runs have not confirmed the new causes yet
        case.known_so_far(replace(audit, causes=current.known, unresolved_pins=result.needed))
        whole = _WholeRuns(case, work.needed, current.whole_pairs)
        audit = yield from _with_fix(case, audit, whole, current.whole_pairs)
        if audit.fix is not None or (yield from whole.match()):
            case.known_so_far(audit)
            return audit, None
        if whole.problem is not None:
            without = yield from _without_failing(current, result.needed, work)
            if without is None:
                why = f"with {listed(work.needed)} pinned, whole runs could not be compared: {whole.problem}"
                audit = replace(audit, causes=current.known)
                return _unresolved(case, audit, work, result.needed, why), None
            current, finder = without, work.start(without.finder())
        elif whole.differ_behind(case.cut) and (yield from finder.match_again(result.needed)):
            return (yield from _later(current, audit, work, whole))
        else:
            case.forks.reject("with the pins that the search found, whole runs do not match")
            finder.refute(result.needed)


def _with_lines(
    current: _Round, audit: RunAudit, causes: Sequence[Cause], work: "_Work"
) -> Experiment[RunAudit]:
    """Return ``audit`` with the causes known before and the new ``causes``, their lines, and
    whether recording changes the result.
    """
    known = (*current.known, *causes)
    work.needed = _pins_of(known)
    current.case.emit(Phase("Finding the lines that use these sources"))
    with_lines, observer = yield from side_by_side(
        blame.sites(current.case, known, pairs_for(current.base)),
        observe(current.case, current.pins),
    )
    return replace(audit, causes=with_lines, search=work.summary(), observer=observer)


def _unexplained(
    current: _Round, finder: Finder, audit: RunAudit, work: "_Work", result: Found
) -> Experiment[RunAudit]:
    """Return ``audit`` with the pins of a search that ended without causes, or with doubtful ones
    beside others. No whole runs confirm these others, so more short ones do.
    """
    causes = tuple(cause for cause in result.causes or () if cause.necessary)
    if causes and not (yield from work.of(finder.match_again(result.needed))):
        causes = ()
    audit, doubtful = replace(audit, causes=(*current.known, *causes)), result.doubtful
    if doubtful:
        rarely = "runs differ too rarely to distinguish the effect from chance"
        return _unresolved(
            current.case, audit, work, doubtful, f"without {', '.join(doubtful)}, {rarely}"
        )
    return _unresolved(current.case, audit, work, result.needed, result.why)


def _without_failing(current: _Round, needed: Pins, work: "_Work") -> Experiment[_Round | None]:
    """Return the round without the pins that make whole runs fail, if ``needed`` are not possible
    without them, but others may be; None if there are no others.
    """
    whole = replace(current.case, cut=None)
    pinned, kept, failing = yield from work.of(
        control(whole, current.pins, pairs_for(current.base))
    )
    possible = set(_pins_of(current.known)) <= set(kept) and not set(needed) <= set(kept)
    if not pinned.matches or not possible:
        return None
    work.note_incompatible(failing)
    return replace(current, pins=kept)


def _with_fix(case: Case, audit: RunAudit, whole: "_WholeRuns", pairs: int) -> Experiment[RunAudit]:
    """Return ``audit`` with a verified fix, or the reason why there is none.

    If runs with the pins match but those of no fix do, the lines are looked for again in a whole
    run: a short one may not have reached all of them.
    """
    case.emit(Phase("Trying a fix on a copy"))
    change, why = yield from fix.fix(case, audit.causes, pairs, whole.match)
    if change is None and case.cut is not None and (yield from whole.match()):
        whole_runs = replace(case, cut=None)
        causes = yield from blame.sites_of_draws(whole_runs, audit.causes, audit.causes)
        if causes != audit.causes:
            audit = replace(audit, causes=causes)
            change, why = yield from fix.fix(case, causes, pairs, whole.match)
    if change is not None:
        audit = replace(audit, causes=fix.with_calls(audit.causes, change))
    return replace(audit, fix=change, no_fix_reason=why)


class _WholeRuns:
    """Whole runs with the pins of all causes. They are made once, and only if no fix confirms these
    pins.
    """

    def __init__(self, case: Case, pins: Pins, pairs: int) -> None:
        self.condition, self._pairs = case.pinned(pins), pairs
        self._answer: Answer | None = None

    @property
    def runs(self) -> tuple[Finished, ...]:
        return self._answer.runs if self._answer is not None else ()

    @property
    def problem(self) -> str | None:
        """Why they could not be compared; None if they could, or were not made."""
        failed = self._answer is not None and self._answer.matches is None
        return self._answer.reason if failed else None

    def match(self) -> Experiment[bool]:
        """Whether they match."""
        if self._answer is None:
            self._answer = yield from ask(self.condition, self._pairs, FRESH)
        return self._answer.matches is True

    def differ_behind(self, steps: int | None) -> bool:
        """Whether they differ, but not in their first ``steps`` steps."""
        differ = self._answer is not None and self._answer.matches is False
        return differ and steps is not None and not cut.within(self.runs, steps)


def _later(
    current: _Round, audit: RunAudit, work: "_Work", whole: _WholeRuns
) -> Experiment[tuple[RunAudit, _Round | None]]:
    """Return the round that searches for a divergence of runs with all pins found so far, behind
    the end of the short runs; None if it cannot be searched for, and ``audit`` says why.
    """
    case = replace(current.case, cut=cut.behind(whole.runs))
    first = FRESH + len(whole.runs) // 2
    runs = yield from work.of(
        repeated(case.short(whole.condition), first, most=case.most, runs=whole.runs)
    )
    base = counted(runs)
    assert base.divergence is not None
    found = [_with_line(cause) for cause in audit.causes]
    later = capitalized(_still_differ(found, base.divergence))
    case.emit(Notice(f"{later}. Searching for that cause too."))
    case.expect(case.cut)
    case = replace(case, forks=_forks_for(case, base))
    matching = matches_for(base)
    if matching is None:
        why = f"{share(base.differing, base.pairs)}, too few for a search"
    else:
        pinned, kept, failing = yield from work.of(control(case, current.pins, pairs_for(base)))
        if pinned.matches and set(work.needed) <= set(kept):
            work.note_incompatible(failing)
            whole_pairs = max(current.whole_pairs, _whole_pairs(base, matching))
            later = _Round(
                case, kept, audit.causes, base, tuple(runs), pinned.repeats.matching, whole_pairs
            )
            rest = tuple(pin for pin in kept if pin not in work.needed)
            case.known_so_far(replace(audit, unresolved_pins=rest, no_fix_reason=""))
            return audit, later
        if pinned.matches:
            why = f"longer runs fail with {listed(failing)} pinned"
        elif pinned.matches is None:
            why = pinned.reason
        else:
            why = "runs with everything pinned differ too"
    why = f"{_still_differ(work.needed, base.divergence)}: {why}"
    rest = tuple(pin for pin in current.pins if pin not in work.needed)
    return replace(_unresolved(case, audit, work, rest, why), no_fix_reason=why), None


def _with_rest(current: _Round, audit: RunAudit, work: "_Work") -> RunAudit:
    """Return ``audit`` with the divergence of a round for which no search is left."""
    assert current.base.divergence is not None
    rest = tuple(pin for pin in current.pins if pin not in work.needed)
    why = _still_differ(work.needed, current.base.divergence)
    why = f"{why}; no more than {LATER} divergences are searched for"
    return replace(_unresolved(current.case, audit, work, rest, why), no_fix_reason=why)


def _with_line(cause: Cause) -> str:
    line = next((f" ({site.file}:{site.line})" for site in cause.sites), "")
    return f"{cause.source}{line}"


def _still_differ(pinned: Sequence[str], divergence: Divergence) -> str:
    return f"with {listed(pinned)} pinned, runs still differ, {place(divergence)}"


def place(divergence: Divergence) -> str:
    """Return where two runs differ first, as part of a sentence."""
    step = "" if divergence.step is None else f", step {divergence.step}"
    return f"first at {divergence.stage}{step}: {divergence.name}"


# Cost ---------------------------------------------------------------------------------------------


def _with_cost(
    case: Case, audit: RunAudit, done: Sequence[Finished], work: "_Work"
) -> Investigation:
    """Return ``audit`` with the cost of the pins, if timing them is wanted or takes little."""
    if not audit.causes or audit.unresolved_pins:
        return audit
    pins = _worth_timing(case, work)
    seconds = cost.seconds(len(pins), done[0].outcome.seconds)
    if not cost.wanted(case, seconds):
        more = f"it takes about {duration(seconds)} more; --cost does it anyway"
        return replace(audit, no_cost_reason="" if case.cost is False else more)
    case.emit(Phase("Timing the pins, one run at a time"))
    pairs = pairs_for(_of_unchanged(audit))
    return replace(audit, cost=(yield from cost.measure(case, work.needed, pins, pairs)))


def _worth_timing(case: Case, work: "_Work") -> Pins:
    """Return the pins of the sets that the search tried, and those that cover the source of a
    necessary pin.
    """
    sources = {source for pin in work.needed for source in case.known[pin].sources}
    tried = {pin for finder in work.finders for pinned in finder.asked for pin in pinned}
    return tuple(
        pin
        for pin in case.pins
        if pin in work.needed
        or pin in tried
        or (pin in work.pins and sources & set(case.known[pin].sources))
    )


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


class _Work:
    """What the search has done so far: the trials that it requested, its questions, and the pins
    ``needed`` that it has found.
    """

    def __init__(self) -> None:
        self._keys: set[str] = set()
        self._began = time.monotonic()
        self.search = Search()
        self.finders: list[Finder] = []
        self.needed: Pins = ()

    def note_incompatible(self, pins: Pins) -> None:
        """Note that the script fails with these pins."""
        known = self.search.incompatible_pins
        self.search = replace(self.search, incompatible_pins=(*known, *pins))

    def start(self, finder: Finder) -> Finder:
        self.finders.append(finder)
        return finder

    @property
    def pins(self) -> set[str]:
        """The pins that could be tried."""
        return {pin for finder in self.finders for pin in (*finder.pins, *finder.known)}

    def of(self, experiment: Generator) -> Generator[Any, Any, Any]:
        """Run the experiment and count its trials."""
        wanted = next(experiment)
        while True:
            self._keys |= {trial.key() for trial in wanted}
            try:
                wanted = experiment.send((yield wanted))
            except StopIteration as end:
                return end.value

    def summary(self) -> Search:
        return replace(
            self.search,
            trial_count=len(self._keys),
            seconds=round(time.monotonic() - self._began, 1),
            questions=tuple(line for finder in self.finders for line in finder.tried),
        )

"""Finds a smallest set of pins with which runs match, and shows that each of them is needed."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from detaudit.commands.run import questions
from detaudit.commands.run.case import Case
from detaudit.commands.run.findings import Cause, Repeats
from detaudit.commands.run.origin import suspects
from detaudit.commands.run.repeat import FRESH, MORE, MOST_MATCHES, matches_for, pairs_for
from detaudit.commands.run.search import Pins, smallest
from detaudit.core.divergence import Divergence
from detaudit.core.experiment import Experiment, Finished, side_by_side

ROUNDS = 4  # searches, each with more pairs than the one before
# The significance level at which a cause is named: four pairs that differ, five that match
CAUSE = 0.01
# The same if every pair of the unchanged program differs, and all of the first few pairs without a
# pin: three that differ, five that match
ALWAYS, FEW = 0.02, 3
MOST_RUNS = 800  # of an audit, after which no search begins anew
DOUBTFUL = 3  # pins of a set that could not be shown to be necessary: the others are not tried
EVERYTHING = (
    "runs differ with everything pinned: no source that detaudit can pin explains it (it cannot pin "
    "the randomness that native code, in C++ or Rust, takes from the system below Python)"
)
NO_SET = "no set of pins was found that makes fresh runs match"
#: Pairs of whole runs that match at the end, with the pins or with the fix. They count as evidence
#: beside the short pairs of the search.
CONFIRMED = 2


@dataclass(frozen=True)
class Found:
    """A set of pins with which runs match. ``causes`` is None if no such set was found, and ``why``
    says so; then ``needed`` are the pins of the last set tried.
    """

    needed: Pins
    causes: tuple[Cause, ...] | None
    why: str = ""

    @property
    def doubtful(self) -> Pins:
        """The pins without which runs differ too rarely to exclude chance."""
        return tuple(cause.pin for cause in self.causes or () if cause.necessary is False)


@dataclass(frozen=True)
class _LeftOut:
    """How often runs differ without one of the pins. So many ``matching`` pairs with all pins
    exclude that this is chance; None: more than can be made.
    """

    pin: str
    repeats: Repeats
    matching: int | None

    @property
    def doubtful(self) -> bool:
        """Whether runs could be compared, but differ too rarely."""
        return not self.repeats.problem and self.matching is None


@dataclass
class Finder:
    """Searches ``pins`` for those that are needed in addition to those ``known``.

    ``runs`` differ in ``base`` of their pairs; with all pins together, ``most`` pairs matched. Once
    runs with a set of pins differ, it is refuted for good, and so is each of its subsets; what
    forked runs refuted is refuted only as long as their answers count. ``asked`` are the sets that
    were tried, ``tried`` the same in words.
    """

    case: Case
    pins: Pins
    known: Pins
    runs: Sequence[Finished]
    base: Repeats
    most: int
    asked: list[Pins] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    _refuted: list[frozenset[str]] = field(default_factory=list)
    _refuted_by_forks: list[frozenset[str]] = field(default_factory=list)
    _rounds: int = 0
    _evidence: int = MORE

    def __post_init__(self) -> None:
        self._pairs = pairs_for(self.base)

    def find(self) -> Experiment[Found]:
        """Return a smallest set that works, each pin shown to be needed. May be called again after
        :meth:`refute`.
        """
        needed = self.pins
        while self._rounds < ROUNDS and self.case.runs() < MOST_RUNS:
            self._rounds += 1
            forked = self.case.forks.usable
            start = yield from self._start()
            # Fresh runs match with all pins: if forked runs do not, a pin acts before the fork
            if forked and start == self.pins and not (yield from self._matches(start)):
                self._begin_anew()
                continue
            needed = yield from smallest(self._matches, start)
            found = Found(needed, (yield from self._shown(needed)))
            if forked and (found.causes is None or found.doubtful):
                self._begin_anew()
                continue
            if found.causes is not None:
                return found
            self.refute(needed)
            with_all = yield from self._ask(self.pins, FRESH)
            if with_all is False:
                self.tried.append("all pinned: fresh runs differ")
                return Found(self.pins, None, EVERYTHING)
            if with_all is None:
                self.tried.append("all pinned: fresh runs could not be compared")
                return Found(self.pins, None, NO_SET)
        return Found(needed, None, NO_SET)

    def _begin_anew(self) -> None:
        """Search again, in fresh runs only: what forked runs have not shown may be their fault."""
        self.case.forks.reject("the search found no cause in its forked runs")
        self.tried.append("again, in fresh runs:")
        self._rounds -= 1

    def refute(self, needed: Pins) -> None:
        """Runs with these pins differ although a search found them to match: the next one asks
        more of them.
        """
        self.tried.append(f"{', '.join((*self.known, *needed))} pinned: fresh runs differ")
        self._refuted.append(frozenset(needed))
        self._pairs = min(max(2 * self._pairs, 2), max(self.most, 2 * MORE))

    def _start(self) -> Experiment[Pins]:
        """Return the pins of the sources that the runs themselves indicate, if these are enough;
        else all pins.
        """
        suspected = suspects(self.runs)
        first = tuple(pin for pin in self.pins if self.case.of_pin(pin).id in suspected)
        few = 0 < len(first) <= len(self.pins) // 2
        return first if few and (yield from self._matches(first)) else self.pins

    def _matches(self, pins: Pins) -> Experiment[bool]:
        if self._is_refuted(pins):
            return False
        matches = yield from self._ask(pins)
        if matches is False:
            by_fresh_runs = not self.case.forks.usable
            refuted = self._refuted if by_fresh_runs else self._refuted_by_forks
            refuted.append(frozenset(pins))
        self.asked.append(pins)
        said = {True: "runs match", False: "runs differ", None: "runs could not be compared"}
        pinned = ", ".join((*self.known, *pins)) or "nothing"
        self.tried.append(f"{pinned} pinned: {said[matches]}")
        return matches is True

    def _is_refuted(self, pins: Pins) -> bool:
        valid = [*self._refuted]
        if not self.case.forks.rejected:
            valid += self._refuted_by_forks
        return any(refuted.issuperset(pins) for refuted in valid)

    def _ask(self, pins: Pins, first: int = 0) -> Experiment[bool | None]:
        answer = yield from questions.matches(self.case, (*self.known, *pins), self._pairs, first)
        return answer.matches

    def _shown(self, needed: Pins) -> Experiment[tuple[Cause, ...] | None]:
        """Leave out each pin by itself, in new runs: do they differ again, and often enough that
        chance is excluded?

        At least as many pairs must match with all pins as the significance needs; None: they do
        not, or forked runs were rejected meanwhile. If the script fails without a pin, as a script
        without seeds does under op determinism, it is unknown whether that pin is necessary.
        """
        level = CAUSE / len(needed)  # each pin is another chance to be wrong
        self._evidence = max(self._pairs, MORE)
        forked = self.case.forks.usable
        again, without = self.match_again(needed, CONFIRMED), self._leave_out(needed, level)
        if self._sure():
            matched, left_out = yield from side_by_side(again, without)
        else:
            matched = yield from again
            left_out = (yield from without) if matched else []
        if not matched or (forked and self.case.forks.rejected):
            return None
        most = max((one.matching or 0 for one in left_out), default=0)
        if most > self._evidence:
            self._evidence = most
            if not (yield from self.match_again(needed, CONFIRMED)):
                return None
        return tuple(self._cause(one) for one in left_out)

    def _leave_out(self, needed: Pins, level: float) -> Experiment[list["_LeftOut"]]:
        """Run without each pin in turn. It ends early if enough pins are doubtful, because then the
        set worked by chance; or if forked runs are rejected, because then the search begins anew.
        """
        left_out: list[_LeftOut] = []
        forked = self.case.forks.usable
        for pin in needed:
            if forked and self.case.forks.rejected:
                break
            if sum(one.doubtful for one in left_out) == DOUBTFUL:
                left_out.append(_LeftOut(pin, Repeats(0, 0, 0), None))
                continue
            others = [*self.known, *(other for other in needed if other != pin)]
            left_out.append((yield from self._without(others, pin, level)))
        return left_out

    def _without(self, others: Sequence[str], pin: str, level: float) -> Experiment["_LeftOut"]:
        """Run without one pin, until enough of the pairs differ.

        Where every pair of the unchanged program differed, and no set of pins has failed yet, a few
        pairs that all differ decide; the question of the search is one of them.
        """
        if self._sure():
            found = yield from questions.repeats(self.case, others, pin, 0, FEW, ALWAYS)
            if found.differing == found.pairs == FEW:
                return _LeftOut(pin, found, matches_for(found, ALWAYS))
        most = min(MOST_MATCHES, 2 * self.case.most)
        found = yield from questions.repeats(self.case, others, pin, FRESH, most, level)
        return _LeftOut(pin, found, matches_for(found, level))

    def _cause(self, left_out: "_LeftOut") -> Cause:
        """Return the cause that this pin covers, necessary or not."""
        pin, repeats = left_out.pin, left_out.repeats
        necessary = None if repeats.problem else left_out.matching is not None
        return Cause(_source_of(self.case, pin, repeats, self.base.divergence), pin, necessary)

    def _sure(self) -> bool:
        """Whether a pair differs always or never, as far as is known: each pair of the unchanged
        program differed, and no set of pins that the search found has failed.
        """
        return self.base.differs_always and self._rounds == 1

    def match_again(self, needed: Pins, less: int = 0) -> Experiment[bool]:
        """Whether as many new pairs match with these pins as the causes need as evidence; ``less``
        of these pairs are left to whole runs.
        """
        pins = (*self.known, *needed)
        answer = yield from questions.matches(self.case, pins, self._evidence - less, FRESH)
        return answer.matches is True


def _source_of(case: Case, pin: str, repeats: Repeats, first: Divergence | None) -> str:
    """Return the source that the pin covers. A clock that ends the training, for example, shows in
    runs of unequal length.
    """
    where = repeats.divergence or first
    missing = where is not None and where.kind == "missing" and where.step is not None
    source = case.of_pin(pin)
    other = source.script.if_lengths_differ if source.script is not None else ""
    return other if other and (missing or repeats.cut_short) else source.id

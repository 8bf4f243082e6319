"""Why runs of a program part: control, search, necessity, lines, fix. No cause is named that was not shown."""
import time
from collections.abc import Generator, Sequence
from dataclasses import replace

from detaudit.condition import Trial, pair
from detaudit.counting import fisher
from detaudit.diff import Divergence, Incomparable
from detaudit.events import Phase
from detaudit.experiments.loosen import SIGNIFICANT
from detaudit.runner import Finished
from detaudit.script import blame, fix, growth, price
from detaudit.script.case import Case, Investigation
from detaudit.script.findings import PARTED, Cause, Observer, Repeats, RunAudit, Search
from detaudit.script.origin import suspects
from detaudit.script.program import LARGEST_COPY, size_of
from detaudit.script.repeat import FRESH, MORE, SHORT, Answer, ask, compare_ends, count, pairs_for
from detaudit.script.search import Pins, smallest

#: Pins that may break a script: where all of them held together stop it, these are left out one by one.
RISKY = ("op-determinism", "xla-deterministic", "fixed-addresses", "one-pool-thread", "one-process", "clock",
         "os-entropy", "one-thread", "one-worker", "serial-map", "dense-update", "ordered-updates")
MOST = 8  # pairs without a pin that parts rarely


def explain(case: Case, audit: RunAudit, done: Sequence[Finished]) -> Investigation:
    """``audit`` with the causes, their lines and a fix; or with what was seen, where none can be named."""
    audit = replace(audit, reproducible=False, reason=PARTED)
    case = replace(case, backend=backend_of(done) or case.backend)
    began, counter = time.monotonic(), _Counter()
    pins, untouched = _relevant(case, done)
    pairs = pairs_for(audit.repeats)
    case.known_so_far(replace(audit, open=pins))
    case.emit(Phase("Control: everything pinned from outside"))
    control, pins, invalid = yield from counter.of(_control(case, pins, pairs))
    search = Search(untouched=untouched, invalid=invalid)
    audit = replace(audit, pinned=control.repeats)
    if control.agree is None:
        return replace(audit, search=counter.told(search, began), open=pins,
                       reason=f"the cause was not found: with everything pinned a run {control.reason}")
    if not control.agree:
        audit = yield from growth.grown(case.loose, audit)
        return replace(audit, search=counter.told(search, began), open=pins,
                       reason="the runs differ with everything pinned: no source that detaudit can pin from outside "
                       "explains it")
    case.known_so_far(replace(audit, open=pins, search=counter.told(search, began)))
    case.emit(Phase("Which pins are needed"))
    suspected = suspects(done)
    first = tuple(pin for pin in pins if case.of_pin(pin).id in suspected)
    needed, answers = yield from counter.of(_search(case, pins, first, pairs))
    search = replace(search, tried=tuple(f"{', '.join(held) or 'nothing'}: {said}" for held, said in answers))
    case.known_so_far(replace(audit, open=needed, search=counter.told(search, began)))
    confirmed = yield from counter.of(ask(case.held(needed), max(pairs, MORE), FRESH))
    if confirmed.agree is not True:
        return replace(audit, search=counter.told(search, began), open=needed,
                       reason="inconclusive: the pins that were found did not hold in fresh runs")
    agreed = pairs + confirmed.repeats.agreed  # of the search's own question, and of the fresh runs
    causes = yield from counter.of(_necessary(case, needed, agreed, audit.repeats.divergence))
    search = counter.told(search, began)
    doubtful = tuple(one.pin for one in causes if one.necessary is False)
    if doubtful:
        return replace(audit, causes=tuple(one for one in causes if one.necessary), search=search, open=doubtful,
                       reason="inconclusive: without a pin that was found, runs part too rarely to tell it from luck")
    case.known_so_far(replace(audit, causes=causes, search=search))
    observer = yield from _observe(case, pins)
    audit = yield from growth.grown(case.loose, audit)
    case.emit(Phase("The lines that drew"))
    causes = yield from blame.sites(case, causes)
    audit = replace(audit, causes=causes, search=search, observer=observer)
    case.known_so_far(audit)
    case.emit(Phase("The fix, on a copy"))
    mended, why = yield from fix.fix(case, causes, pairs)
    audit = replace(audit, fix=mended, no_fix=why)
    case.known_so_far(audit)
    timed = _worth_timing(case, pins, needed, [held for held, _ in answers])
    return (yield from _priced(case, audit, done, needed, timed, pairs))


def _priced(case: Case, audit: RunAudit, done: Sequence[Finished], needed: Pins, tried: Pins,
            pairs: int) -> Investigation:
    """``audit`` with the price of the pins; where the script is long, only if that was asked for."""
    seconds = done[0].outcome.seconds
    if not (seconds < SHORT if case.price is None else case.price):
        why = "" if case.price is False else f"one run takes {seconds:.0f} s: --price times the pins all the same"
        return replace(audit, no_price=why)
    case.emit(Phase("The price, one run at a time"))
    return replace(audit, price=(yield from price.price(case, needed, tried, pairs)))


def _worth_timing(case: Case, pins: Pins, needed: Pins, asked: Sequence[Pins]) -> Pins:
    """The pins that were tried by fewer than all at once, and those that hold a source which a needed one holds."""
    sources = {source for pin in needed for source in case.known[pin].holds}
    tried = {pin for held in asked for pin in held}
    return tuple(pin for pin in pins if pin in tried or sources & set(case.known[pin].holds))


def apart(case: Case, audit: RunAudit) -> Generator[Sequence[Trial], dict[Trial, Finished], RunAudit | None]:
    """Where a program changes files: do runs agree that each have a copy? Then what they read is what parts them."""
    if size_of(case.program.root) > LARGEST_COPY:
        return None
    answer = yield from ask(case.loose.with_options({"copy": True}), MOST)
    if answer.agree is not True:
        return None
    loose = yield from count(case.loose, audit.repeats.runs // 2)  # the runs that there are: no two pairs share one
    more = [pairs for pairs in (2, MORE, MOST) if pairs > loose.pairs]  # a long script has run as one pair
    while fisher(loose.parted, loose.pairs, 0, answer.repeats.agreed) >= SIGNIFICANT:
        if not more or loose.problem or not loose.parted:
            return None
        loose = yield from count(case.loose, more.pop(0))
    sites = yield from blame.openings(case, audit.changed)
    repeats = loose if loose.runs > audit.repeats.runs else audit.repeats
    return replace(
        audit, reproducible=False, repeats=repeats, pinned=answer.repeats,
        causes=(Cause("input-changed", "copy", True, sites),),
        reason=f"{PARTED}: one reads what another has written",
        no_fix=f"it writes {', '.join(audit.changed[:3])}: write to a new folder in every run, or begin from none")


def backend_of(done: Sequence[Finished]) -> str | None:
    """The Keras backend that the script was seen to take."""
    return next((one.trace.measures["backend"] for one in done
                 if one.trace is not None and "backend" in one.trace.measures), None)


class _Counter:
    """Counts the trials that an experiment asks for."""

    def __init__(self) -> None:
        self._keys: set[str] = set()

    def of(self, experiment: Generator) -> Generator:
        """The experiment itself, its trials counted."""
        wanted = next(experiment)
        while True:
            self._keys |= {trial.key() for trial in wanted}
            try:
                wanted = experiment.send((yield wanted))
            except StopIteration as end:
                return end.value

    def told(self, search: Search, began: float) -> Search:
        return replace(search, trials=len(self._keys), seconds=round(time.monotonic() - began, 1))


def _relevant(case: Case, done: Sequence[Finished]) -> tuple[Pins, Pins]:
    """The pins worth trying, and those whose source no run has met."""
    met: set[str] = set()
    for one in done:
        if one.trace is not None:
            met |= {name for name, count in one.trace.evidence.items() if count}
    trying, untouched = [], []
    for pin in case.pins:
        source = case.of_pin(pin)
        told = source.script is not None and source.script.told
        (trying if not told or source.id in met else untouched).append(pin)
    return tuple(trying), tuple(untouched)


def _control(case: Case, pins: Pins, pairs: int) -> Generator[Sequence[Trial], dict[Trial, Finished],
                                                              tuple[Answer, Pins, Pins]]:
    """Everything pinned; what then stops the script is found and left out."""
    answer = yield from ask(case.held(pins), pairs)
    if answer.agree is not None:
        return answer, pins, ()
    for suspect in [pin for pin in RISKY if pin in pins]:
        fewer = tuple(pin for pin in pins if pin != suspect)
        again = yield from ask(case.held(fewer), pairs)
        if again.agree is not None:
            return again, fewer, (suspect,)
    tame = tuple(pin for pin in pins if pin not in RISKY)
    again = yield from ask(case.held(tame), pairs)
    return again, tame, tuple(pin for pin in pins if pin in RISKY)


def _search(case: Case, pins: Pins, first: Pins, pairs: int) -> Generator[Sequence[Trial], dict[Trial, Finished],
                                                                         tuple[Pins, list[tuple[Pins, str]]]]:
    """A smallest set of pins, with what was asked and answered. Where those asked about ``first`` do, it is one of
    them."""
    tried: list[tuple[Pins, str]] = []

    def agree(held: Pins) -> Generator:
        answer = yield from ask(case.held(held), pairs)
        tried.append((held, {True: "agree", False: "part", None: "invalid"}[answer.agree]))
        return answer.agree is True

    few = 0 < len(first) <= len(pins) // 2
    needed = yield from smallest(agree, first if few and (yield from agree(first)) else pins)
    return needed, tried


def _necessary(case: Case, needed: Pins, agreed: int,
               where: Divergence | None) -> Generator[Sequence[Trial], dict[Trial, Finished], tuple[Cause, ...]]:
    """Each pin left out by itself: do the runs part again, and so often that it is no other source's luck?

    ``agreed`` pairs agreed with all of them held. Two pairs that part against five that agree have a Fisher p of 0.048.
    Where a script fails without the pin, as one without seeds does under op determinism, its need is not known.
    """
    causes = []
    for pin in needed:
        without = tuple(other for other in needed if other != pin)
        for pairs in (2, MORE, MOST):
            repeats = yield from count(case.held(without), pairs)
            shown = fisher(repeats.parted, repeats.pairs, 0, agreed) < SIGNIFICANT
            if shown or not repeats.parted or repeats.problem:
                break
        need = True if shown else None if repeats.problem else False
        causes.append(Cause(_source_of(case, pin, repeats, where), pin, need))
    return tuple(causes)


def _source_of(case: Case, pin: str, repeats: Repeats, first: Divergence | None) -> str:
    """The source that the pin holds. A clock that ends the training shows in runs of unequal length."""
    where = repeats.divergence or first
    missing = where is not None and where.kind == "missing" and where.step is not None
    return "wall-clock" if pin == "clock" and (missing or repeats.cut_short) else case.of_pin(pin).id


def _observe(case: Case, pins: Pins) -> Generator[Sequence[Trial], dict[Trial, Finished], Observer]:
    """With all pins held a bare run ends on a watched one's bits; without, a bare pair parts as a watched one does."""
    watched, bare = Trial(case.held(pins), 0), Trial(case.held(pins).with_options({"watch": False}), 0)
    some = pair(case.loose.with_options({"watch": False}), 0)
    found = yield [watched, bare, *some]
    pinned = compare_ends(found[watched], found[bare])
    loose = compare_ends(*(found[trial] for trial in some))
    if isinstance(pinned, Incomparable) or isinstance(loose, Incomparable):
        return Observer(None, "a bare run could not be compared")
    if isinstance(pinned, Divergence):
        return Observer(False, "with everything pinned, a watched run ends on other bits than a bare one")
    if isinstance(loose, Divergence):
        return Observer(True, "pinned, watched and bare runs end on the same bits; loose, bare runs part as well")
    return Observer(None, "pinned, watched and bare runs end on the same bits; loose, one bare pair agreed")

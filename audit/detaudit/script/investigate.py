"""The whole of ``detaudit run`` as one experiment: repeat, control, search, lines, fix; or, where runs agree, vary."""
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace

from detaudit_probes.declare import Pin, Source

from detaudit.condition import Condition, Trial, items, pair
from detaudit.counting import fisher
from detaudit.diff import Divergence, Incomparable
from detaudit.events import Emit, Phase, Told
from detaudit.experiments.loosen import SIGNIFICANT
from detaudit.runner import Finished
from detaudit.script import blame, fix, growth, vary
from detaudit.script.findings import Cause, Observer, RunAudit, Search
from detaudit.script.program import LARGEST_COPY, Program, size_of
from detaudit.script.repeat import Answer, ask, compare_ends, count, counted, pairs_for
from detaudit.script.search import Pins, smallest

SHORT = 20.0          # seconds: a script that takes less is run so many times at first
RUNS_OF_SHORT, RUNS = 5, 2
#: Pins that may break a script: where all of them held together stop it, these are left out one by one.
RISKY = ("op-determinism", "fixed-addresses", "one-pool-thread", "one-process", "clock", "os-entropy", "one-thread",
         "one-worker", "serial-map", "dense-update")
MORE, MOST = 3, 8     # pairs: fresh ones that confirm what was found; without a pin that parts rarely
FRESH = 100           # the number of the first pair of a condition that is run again, after the search


@dataclass(frozen=True)
class Case:
    """What is investigated: a program's condition with nothing pinned, and what could be.

    ``sources`` are those that a script can have, ``pins`` the ids that are tried, cheap and specific ones first.
    ``alone`` is called where trials must not run side by side; ``changed`` tells the files that the program changes.
    """

    program: Program
    loose: Condition
    known: dict[str, Pin]
    sources: tuple[Source, ...]
    pins: Pins
    trials: int | None
    emit: Emit
    alone: Callable[[], None]
    changed: Callable[[], tuple[str, ...]]

    def held(self, pins: Sequence[str]) -> Condition:
        condition = self.loose
        for name in pins:
            condition = condition.with_pin(self.known[name])
        return condition

    def of_pin(self, pin: str) -> Source:
        return next(source for source in self.sources if source.script is not None and source.script.pin == pin)


Investigation = Generator[Sequence[Trial], dict[Trial, Finished], RunAudit]


def investigate(case: Case, blank: RunAudit) -> Investigation:
    """``blank`` with everything that was found filled in."""
    case.emit(Phase("The script as it is"))
    case = yield from _at_a_step(case)
    done, refused = yield from _repeat(case, blank)
    if refused is not None:
        return refused
    audit = replace(blank, repeats=counted(done, across=True), changed=case.changed())
    if audit.repeats.problem:
        return replace(audit, reason=f"the runs could not be compared: {audit.repeats.problem}")
    if audit.repeats.parted and audit.changed and not case.program.copy:
        apart = yield from _apart(case, audit)
        if apart is not None:
            return apart
    if audit.repeats.parted:
        return (yield from _explain(case, audit, done))
    return (yield from _rest(case, audit, done))


def _at_a_step(case: Case) -> Generator[Sequence[Trial], dict[Trial, Finished], Case]:
    """Where runs are to be ended after some seconds, all are, after as many steps as the first makes in that time."""
    options = dict(case.loose.options)
    if options.pop("stop_seconds", None) is None:
        return case
    first = (yield [Trial(case.loose, 0)])[Trial(case.loose, 0)]
    steps = first.trace.measures.get("stopped") if first.trace is not None else None
    stops = {"stop_steps": steps} if steps else {}
    return replace(case, loose=replace(case.loose, options=items({**options, **stops})))


def _repeat(case: Case, blank: RunAudit) -> Generator[Sequence[Trial], dict[Trial, Finished],
                                                      tuple[list[Finished], RunAudit | None]]:
    """The first runs; or an audit that ends here, because the script fails or trains nothing."""
    trial = Trial(case.loose, 0)
    first = (yield [trial])[trial]
    if case.changed() and not case.program.copy:
        case.alone()
    case.emit(Told(f"One run takes {first.outcome.seconds:.0f} s."))
    done = [first]
    wanted = max(case.trials or (RUNS_OF_SHORT if first.outcome.seconds < SHORT else RUNS), 2)
    while len(done) < wanted:
        some = [Trial(case.loose, number) for number in range(len(done), min(len(done) + len(done) % 2 + 1, wanted))]
        found = yield some
        done += [found[trial] for trial in some]
        if not any(one.outcome.completed for one in done):
            break
        if counted(done).parted and len(done) > 3:
            break  # two pairs: enough to tell how often they part
    return done, _refused(blank, done)


def _refused(blank: RunAudit, done: Sequence[Finished]) -> RunAudit | None:
    completed = [one for one in done if one.outcome.completed]
    if not completed:
        return replace(blank, reason=f"the script fails every time: {done[0].outcome.reason}",
                       traceback=_said(done[0]))
    if any(one.trace is None for one in completed):
        return replace(blank, reason="the interpreter does not run the hooks: it ignores PYTHONPATH, or its start "
                       "modules are switched off; nothing of the training was seen")
    unwatched = next((one.trace.measures["unwatched"] for one in completed
                      if one.trace and "unwatched" in one.trace.measures), None)
    if unwatched:
        return replace(blank, reason=f"the script trains with {unwatched}, which detaudit run does not watch yet")
    if not any(one.trace.measures.get("steps") for one in completed if one.trace):
        return replace(blank, reason="the script trains nothing that was seen: no fit, no train_on_batch, no optimizer")
    still = [one for one in completed if one.trace and not one.trace.measures.get("moved")]
    if still:
        return replace(blank, reason="the weights stand still in every step: nothing was trained")
    return None


def _said(done: Finished) -> str:
    folder = done.trace.folder if done.trace else None
    path = folder / "stderr" if folder else None
    return path.read_bytes()[-4000:].decode("utf-8", "replace") if path and path.exists() else ""


# The runs agree -------------------------------------------------------------------------------------------------


def _rest(case: Case, audit: RunAudit, done: Sequence[Finished]) -> Investigation:
    """A bare pair too, and then what another machine may have otherwise."""
    unwatched = case.loose.with_options({"watch": False})
    bare = yield from ask(unwatched, 1, comparing=compare_ends)
    audit = replace(audit, bare=bare.repeats)
    if bare.agree is None:
        return replace(audit, reason=f"the bare runs could not be compared: {bare.reason}")
    if not bare.agree:
        return replace(audit, reproducible=False, open=("observer",), reason=(
            "watched runs agree, but bare runs part: watching hides what makes them part"))
    found = yield [Trial(unwatched, 0)]
    case.emit(Phase("What the result rests on"))
    varied = yield from vary.vary(case.loose, done[0])
    return replace(audit, reproducible=True, rests_on=varied, reason="the runs agree to the last bit",
                   observer=_same_end(done[0], found[Trial(unwatched, 0)]))


def _same_end(watched: Finished, bare: Finished) -> Observer:
    if isinstance(compare_ends(watched, bare), Divergence):
        return Observer(False, "watched runs agree, and so do bare ones, but on other bits: watching changes them")
    return Observer(True, "watched and bare runs end on the same bits")


# The runs part --------------------------------------------------------------------------------------------------


def _explain(case: Case, audit: RunAudit, done: Sequence[Finished]) -> Investigation:
    audit = replace(audit, reproducible=False, reason="two runs of one and the same program part")
    began, counter = time.monotonic(), _Counter()
    pins, untouched = _relevant(case, done)
    pairs = pairs_for(audit.repeats)
    case.emit(Phase("Control: everything pinned from outside"))
    control, pins, invalid = yield from counter.of(_control(case, pins, pairs))
    search = Search(untouched=untouched, invalid=invalid)
    audit = replace(audit, pinned=control.repeats)
    if control.agree is None:
        return replace(audit, search=counter.told(search, began), open=pins,
                       reason=f"the cause was not found: with everything pinned a run {control.reason}")
    if not control.agree:
        more = yield from growth.growth(case.loose)
        return replace(audit, search=counter.told(search, began), growth=more, open=pins,
                       reason="the runs differ with everything pinned: no source that detaudit can pin from outside "
                       "explains it")
    case.emit(Phase("Which pins are needed"))
    needed, tried = yield from counter.of(_search(case, pins, pairs))
    confirmed = yield from counter.of(ask(case.held(needed), max(pairs, MORE), FRESH))
    search = replace(search, tried=tuple(tried))
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
    observer = yield from _observe(case, pins, audit)
    more = yield from growth.growth(case.loose)
    case.emit(Phase("The lines that drew"))
    causes = yield from blame.sites(case, causes)
    case.emit(Phase("The fix, on a copy"))
    mended, why = yield from fix.fix(case, causes, pairs_for(audit.repeats))
    return replace(audit, causes=causes, search=search, observer=observer, growth=more, fix=mended, no_fix=why)


def _apart(case: Case, audit: RunAudit) -> Generator[Sequence[Trial], dict[Trial, Finished], RunAudit | None]:
    """Where a program changes files: do runs agree that each have a copy? Then what they read is what parts them."""
    if size_of(case.program.root) > LARGEST_COPY:
        return None
    answer = yield from ask(case.loose.with_options({"copy": True}), MOST)
    loose = audit.repeats
    if answer.agree is not True or fisher(loose.parted, loose.pairs, 0, answer.repeats.agreed) >= SIGNIFICANT:
        return None
    return replace(
        audit, reproducible=False, pinned=answer.repeats, causes=(Cause("input-changed", "copy", True),),
        reason="two runs of one and the same program part: one reads what another has written",
        no_fix=f"it writes {', '.join(audit.changed[:3])}: write to a new folder in every run, or begin from none")


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


def _search(case: Case, pins: Pins, pairs: int) -> Generator[Sequence[Trial], dict[Trial, Finished],
                                                             tuple[Pins, list[str]]]:
    tried: list[str] = []

    def agree(held: Pins) -> Generator:
        answer = yield from ask(case.held(held), pairs)
        said = {True: "agree", False: "part", None: "invalid"}[answer.agree]
        tried.append(f"{', '.join(held) or 'nothing'}: {said}")
        return answer.agree is True

    needed = yield from smallest(agree, pins)
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
        causes.append(Cause(_source_of(case, pin, repeats.divergence or where), pin, need))
    return tuple(causes)


def _source_of(case: Case, pin: str, where: Divergence | None) -> str:
    """The source that the pin holds. A clock that ends the training shows in runs of unequal length."""
    if pin == "clock" and where is not None and where.kind == "missing" and where.step is not None:
        return "wall-clock"
    return case.of_pin(pin).id


def _observe(case: Case, pins: Pins, audit: RunAudit) -> Generator[Sequence[Trial], dict[Trial, Finished], Observer]:
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


"""The whole of ``detaudit run`` as one experiment: repeat; where runs part, explain; where they agree, vary."""
from collections.abc import Generator, Sequence
from dataclasses import replace

from detaudit.condition import Trial, items
from detaudit.diff import Divergence
from detaudit.events import Phase, Told
from detaudit.runner import Finished
from detaudit.script import attribute, vary
from detaudit.script.case import Case, Investigation
from detaudit.script.findings import PARTED, Observer, RunAudit
from detaudit.script.localise import localise
from detaudit.script.origin import origin
from detaudit.script.outputs import outputs, quantity
from detaudit.script.repeat import SHORT, ask, compare_ends, counted

RUNS_OF_SHORT, RUNS = 5, 2  # of the script as it is, at first


def investigate(case: Case, blank: RunAudit) -> Investigation:
    """``blank`` with everything that was found filled in."""
    case.emit(Phase("The script as it is"))
    case = yield from _at_a_step(case)
    done, refused = yield from _repeat(case, blank)
    if refused is not None:
        return refused
    audit = replace(blank, repeats=counted(done, across=True), changed=case.changed(), outputs=outputs(done),
                    origin=origin(done), quantity=quantity(done))
    if audit.repeats.problem:
        return replace(audit, reason=f"the runs could not be compared: {audit.repeats.problem}")
    parted = {"reproducible": False, "reason": PARTED} if audit.repeats.parted else {}
    case.known_so_far(replace(audit, **parted))
    if audit.repeats.parted and audit.changed and not case.program.copy:
        apart = yield from attribute.apart(case, audit)
        if apart is not None:
            return apart
    if audit.repeats.parted:
        audit = yield from localise(case, audit, done)
        case.known_so_far(replace(audit, **parted))
        return (yield from attribute.explain(case, audit, done))
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
        repeats = counted(done, across=True)
        if repeats.parted:
            case.known_so_far(replace(blank, reproducible=False, repeats=repeats, reason=PARTED))
        if repeats.parted and len(done) > 3:
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

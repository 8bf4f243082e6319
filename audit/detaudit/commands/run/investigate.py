"""All of ``detaudit run`` as one experiment: repeat the program; if runs differ, explain why; if
they match, vary the machine's settings.
"""

from collections.abc import Sequence
from dataclasses import replace

from detaudit_probes.protocol import Measures

from detaudit.commands.run import attribute, cut, failures, growth, leftovers, times, vary
from detaudit.commands.run.case import Case, Investigation
from detaudit.commands.run.findings import (
    END,
    FITS,
    OUTPUT,
    RUNS_DIFFER,
    TRAINING,
    Observer,
    RunAudit,
)
from detaudit.commands.run.forecast import Length, predict
from detaudit.commands.run.localise import localise
from detaudit.commands.run.origin import origin
from detaudit.commands.run.outputs import outputs, quantity
from detaudit.commands.run.repeat import (
    MORE,
    MOST,
    Answer,
    ask,
    compare_ends,
    compare_runs,
    counted,
    further,
    matches_for,
    repeated,
    stands_still,
)
from detaudit.core import contents
from detaudit.core.condition import Trial, pair
from detaudit.core.divergence import Comparison, Divergence, Incomparable, Match
from detaudit.core.durations import duration
from detaudit.core.events import Differing, Notice, Phase
from detaudit.core.experiment import Experiment, Finished
from detaudit.core.outcome import TIMED_OUT, Outcome
from detaudit.core.sentences import listed
from detaudit.core.trace import Trace
from detaudit.execution.program import trainer
from detaudit.execution.program.sandboxed import files_of, written_by

#: The number of matching pairs that "reproducible" needs, by the maximum seconds of one run.
PAIRS = ((120.0, 3), (1800.0, 2))
MOST_OF_LONG = 8  # pairs of a long script, in place of the ``MOST`` of a short one
UNRECORDED = 3  # matching pairs that decide, if recorded runs differ and unrecorded runs match
RECORDER = 0.0005  # significance level: these runs were picked because they differ
MATCHED = "the runs are bitwise identical"


def investigate(case: Case, blank: RunAudit) -> Investigation:
    """Return ``blank`` with all findings filled in."""
    return (yield from failures.owned(case, blank, _without_times))


def _without_times(case: Case, blank: RunAudit) -> Investigation:
    return (yield from times.set_aside(case, blank, _investigation))


def _investigation(case: Case, blank: RunAudit) -> Investigation:
    case.emit(Phase("Running the script as it is"))
    case, blank, earlier = yield from _at_a_step(case, blank)
    case, runs, refused = yield from _repeat(case, blank)
    if refused is not None:
        return refused
    audit = _described(case, blank, runs)
    outside = leftovers.found_outside([*earlier, *runs])
    if outside:
        audit = replace(audit, notes=(*audit.notes, leftovers.outside_note(outside)))
    if audit.repeats.problem:
        return replace(audit, reason=f"the runs could not be compared: {audit.repeats.problem}")
    again = (yield from leftovers.compare_again(case, runs[0])) if case.changed() else None
    audit = _with_note(audit, again, case.changed())
    if audit.repeats.differing:
        return (yield from _differing(case, audit, runs, again))
    if leftovers.differs(again):
        return (yield from leftovers.explain(case, audit, runs, case.changed()))
    made = yield from leftovers.made_earlier(case, runs)
    if made:
        audit = yield from _without(case, audit, runs, made)
        if audit.reproducible is False:
            return audit
    if not outside or leftovers.may_be_fetched([*earlier, *runs][0]):
        return (yield from _matching(case, audit, runs))
    matched = yield from _matching(replace(case, search=False), audit, runs)
    if not matched.reproducible:
        return matched
    return replace(matched, reproducible=None, reason=_depends_on_the_first(outside))


def _with_note(audit: RunAudit, again: Comparison | None, left: Sequence[str]) -> RunAudit:
    """Add a note on the run that started with the files that the first run ``left``: it failed, or
    it matched the first run although fresh runs differ.
    """
    if isinstance(again, Incomparable):
        note = f"a run that starts with the files of an earlier run fails: {again.reason}"
        return replace(audit, notes=(*audit.notes, note))
    if not (isinstance(again, Match) and audit.repeats.differing):
        return audit
    note = (
        f"a run that starts with the files of the first run ({', '.join(left[:3])}) matches that run: it "
        f"reads those files instead of computing its own data. Runs were compared in fresh folders"
    )
    return replace(audit, notes=(*audit.notes, note))


def _without(
    case: Case, audit: RunAudit, runs: Sequence[Finished], made: Sequence[str]
) -> Experiment[RunAudit]:
    """The folder contains files that the program itself creates: compare runs that do not find
    them.

    If these runs differ from each other, the program is not reproducible. If they match, but a run
    that starts with the files of one of them differs, the program is not reproducible either: the
    files of an earlier run decide. If that run matches too, the files are an input like any other
    (a user may edit a file that a program created), and the report says so.
    """
    fresh, listed = leftovers.without(case, made), ", ".join(made[:3])
    trials = pair(fresh.unpinned, 0)
    found = yield list(trials)
    fresh_runs = [found[trial] for trial in trials]
    if counted(fresh_runs).problem:
        return audit
    again = yield from leftovers.compare_again(fresh, fresh_runs[0])
    if leftovers.differs(again) and not counted(fresh_runs).differing:
        pairs = max(audit.repeats.pairs, leftovers.LEAST)
        fresh_runs = yield from further(fresh.unpinned, fresh_runs, pairs - 1)
    left = written_by(fresh_runs[0])
    described = _with_note(_described(fresh, audit, fresh_runs), again, left)
    if described.repeats.differing:
        note = (
            f"the folder contains {listed}, which the script itself creates: runs that find it match, and "
            f"these runs did not find it"
        )
        described = replace(described, notes=(note, *described.notes))
        return (yield from _differing(fresh, described, fresh_runs, again))
    if leftovers.differs(again):
        note = (
            f"before the audit the folder contained {listed}, which the script itself creates: runs that find it "
            f"match each other, and so do runs that do not find it"
        )
        described = replace(described, notes=(note, *described.notes))
        return (yield from leftovers.explain(fresh, described, fresh_runs, left))
    audit = replace(audit, notes=described.notes)
    if leftovers.differs(compare_runs(runs[0], fresh_runs[0])):
        note = (
            f"the result depends on the content of {listed}, which the script creates if it is "
            f"missing: runs without it match each other, but end on other bits"
        )
        return replace(audit, notes=(*audit.notes, note))
    return audit


def _described(case: Case, audit: RunAudit, runs: Sequence[Finished]) -> RunAudit:
    return replace(
        audit,
        repeats=counted(runs),
        changed_files=case.changed(),
        outputs=outputs(runs),
        origin=origin(runs),
        quantity=quantity(runs),
        judged_by=_judged_by(runs),
        step_grid=growth.first_grid(runs),
    )


def _judged_by(runs: Sequence[Finished]) -> str:
    traces = [trace for run in runs if (trace := run.completed_trace) is not None]
    if any(trace.side_by_side for trace in traces):
        return END
    if any(trace.trained for trace in traces):
        return TRAINING
    if any(trace.measures.fits for trace in traces):
        return FITS
    return OUTPUT


def _at_a_step(
    case: Case, blank: RunAudit
) -> Experiment[tuple[Case, RunAudit, tuple[Finished, ...]]]:
    """If runs are to be ended early, end all of them after the number of steps that the first run
    makes: the findings cover only these. The third result is the run that counted the steps.
    """
    orders = case.unpinned.orders
    if orders.stop_steps is None and orders.stop_seconds is None:
        return case, blank, ()
    first = (yield [Trial(case.unpinned, 0)])[Trial(case.unpinned, 0)]
    steps = first.trace.measures.stopped if first.trace is not None else None
    if orders.stop_seconds is not None:
        case = replace(
            case,
            unpinned=case.unpinned.with_orders(
                stop_seconds=None, stop_steps=steps or orders.stop_steps
            ),
        )
    return case, replace(blank, steps=steps), (first,)


def _repeat(
    case: Case, blank: RunAudit
) -> Experiment[tuple[Case, list[Finished], RunAudit | None]]:
    """Run the first pairs; or return an audit that ends here, because the script fails or trains
    nothing.

    The first run is made alone, so that a failure in it is the script's own.
    """
    one, other = pair(case.unpinned, 0)
    first = (yield [one])[one]
    seconds = first.outcome.seconds
    wanted = case.pairs or _pairs_for(seconds)
    forecast = predict(wanted, case.search, bool(case.cost))
    length = Length.of(seconds, first.trace.measures if first.trace is not None else Measures())
    if first.outcome.completed:
        case.emit(Notice(forecast.estimate(length, case.jobs())))
        if case.budget is not None:
            case.emit(Notice(forecast.bought(case.budget, length, case.jobs())))
        case.emit(forecast.expected(length, case.jobs(), case.runs(), differs=False))
    short = seconds < PAIRS[0][0]

    def expect(steps: int | None) -> None:
        case.emit(forecast.another_search(length, case.jobs(), case.runs(), steps))

    case = replace(case, most=MOST if short else MOST_OF_LONG, expect=expect)
    done = [first, (yield [other])[other]]
    for number in range(1, wanted):
        completed = [run for run in done if run.outcome.completed]
        if not completed or counted(done).differing:
            break
        trials = pair(case.unpinned, number)
        found = yield list(trials)
        done += [found[trial] for trial in trials]
    if case.program.words or trainer.is_another(done):
        process = trainer.process_of(done)
        case = replace(case, started=process.title if process is not None else "")
    unseen = any(run.trace and run.trace.unrecorded_processes() for run in done)
    case = replace(case, has_workers=unseen)
    differing = counted(done).divergence
    if differing is not None:
        case.emit(Differing(_early_notice(differing, case.search)))
        whole = _outside(done) or case.started is not None
        steps = None if whole else cut.behind(done)
        case.emit(forecast.expected(length, case.jobs(), case.runs(), differs=True, steps=steps))
    return case, done, _refused(blank, done)


def _early_notice(divergence: Divergence, search: bool) -> str:
    then = " Searching for the cause." if search else ""
    return f"Two runs differ, {attribute.place(divergence)}.{then}"


def _pairs_for(seconds: float) -> int:
    return next((pairs for most, pairs in PAIRS if seconds < most), 1)


def _refused(blank: RunAudit, done: Sequence[Finished]) -> RunAudit | None:
    completed = [one for one in done if one.outcome.completed]
    if not completed:
        return replace(blank, reason=_of_failures(done[0].outcome), traceback=_said(done[0]))
    if any(one.trace is None for one in completed):
        return replace(
            blank,
            reason="the training could not be recorded, because the interpreter did not load detaudit's "
            "hooks: it ignores PYTHONPATH, or does not import sitecustomize",
        )
    not_recorded = next(
        (
            one.trace.measures.not_recorded
            for one in completed
            if one.trace and one.trace.measures.not_recorded is not None
        ),
        None,
    )
    if not_recorded:
        return replace(
            blank,
            reason=f"the script trains with {not_recorded}, which detaudit run cannot record yet",
        )
    if any(_can_be_compared(one.trace) for one in completed if one.trace):
        return None
    if any(one.trace.measures.steps for one in completed if one.trace):
        return replace(blank, reason="no weight changed in any step, so nothing was trained")
    return replace(
        blank,
        reason="nothing could be compared: no training step was observed, and the script neither printed anything to "
        "standard output nor saved anything in its folder",
    )


def _can_be_compared(trace: Trace) -> bool:
    """Whether it has trained or fitted something, or has outputs."""
    if trace.trained or trace.measures.fits or trace.saved_files():
        return True
    if trace.side_by_side and trace.final is not None:
        return True
    return trace.contents is not None and contents.count(trace.contents, False) > 0


def _of_failures(outcome: Outcome) -> str:
    if outcome.kind == TIMED_OUT:
        return (
            f"the script did not finish: {outcome.reason}. Give --timeout more seconds, or --stop-after a number of "
            f"steps if the script never ends"
        )
    if "EOFError" in outcome.reason:
        return (
            f"the script reads standard input, which is empty in an audit: {outcome.reason}. Pass its input in "
            f"a file or as arguments"
        )
    hint = "Invalid cross-device link" in outcome.reason
    advice = (
        ". An overlay may refuse to rename a folder that existed before: try --isolation copy"
        if hint
        else ""
    )
    return f"the script fails every time: {outcome.reason}{advice}"


def _said(done: Finished) -> str:
    return done.trace.stderr_end() if done.trace is not None else ""


# The runs differ ----------------------------------------------------------------------------------


def _differing(
    case: Case, audit: RunAudit, runs: Sequence[Finished], again: Comparison | None = None
) -> Investigation:
    """Decide whether the program differs or only the recorder causes it; then how often, and why.

    If the difference does not reach the end of the runs, unrecorded runs cannot show it.
    """
    ends = counted(runs, compare_ends)
    if ends.differing and not ends.problem:
        case.emit(Phase("Checking that recording changes nothing"))
        unrecorded = yield from _unrecorded(case, runs)
        _choose_pace(case, runs[0], unrecorded.runs[:2])
        audit = replace(audit, unrecorded=unrecorded.repeats)
        if unrecorded.matches:
            said = "recorded runs differ, but unrecorded runs match: detaudit's recorder makes them differ"
            return replace(
                audit,
                reproducible=True,
                observer=Observer(False, said),
                reason=f"{MATCHED} if they are not recorded",
            )
    audit = replace(audit, reproducible=False, reason=RUNS_DIFFER)
    if audit.repeats.divergence is not None:
        case.emit(Differing(_early_notice(audit.repeats.divergence, case.search)))
    if not case.search:
        return replace(audit, no_fix_reason="the cause was not searched for (--no-search)")
    case.known_so_far(audit)
    case, audit = _spared(case, audit, runs)
    case, audit, runs = yield from _repeated(case, audit, runs)
    audit = yield from localise(case, audit, runs)
    case.known_so_far(audit)
    explained = yield from attribute.explain(case, audit, runs)
    if explained.causes and leftovers.differs(again):
        return (yield from leftovers.add_under_pins(case, explained))
    return explained


def _spared(case: Case, audit: RunAudit, runs: Sequence[Finished]) -> tuple[Case, RunAudit]:
    """Let every run go to its own end if a run that is ended could leave a lock or a checkpoint
    outside its folder, which would meet the next run, and the user's own; or if other processes of
    the program need what the training ends on.
    """
    outside = _outside(runs)
    if outside:
        case.forks.drop("it writes outside its folder")
        why = f"the script writes outside its folder: {listed(outside[:3])}"
    elif case.started is not None:
        case.forks.drop("its training runs in a process that it starts")
        why = "its training runs in a process that it starts"
    else:
        return case, audit
    note = f"no run of the search was ended early, because {why}"
    return replace(case, end_early=False), replace(audit, notes=(*audit.notes, note))


def _outside(runs: Sequence[Finished]) -> list[str]:
    """Return the files outside its folder that a run may leave there if it is ended early."""
    return sorted({path for run in runs for path in files_of(run).outside})


def _choose_pace(case: Case, alone: Finished, beside: Sequence[Finished]) -> None:
    """Run one at a time from now on, if two runs side by side took longer than one after the other
    would have: a training that uses every core gains nothing from company.
    """
    slowest = max((run.outcome.seconds for run in beside), default=0.0)
    if case.jobs() > 1 and slowest > 2 * alone.outcome.seconds:
        both, one = duration(slowest), duration(alone.outcome.seconds)
        case.emit(
            Notice(
                f"One run takes {one} alone and {both} beside another: runs are made one by one."
            )
        )
        case.alone()


def _repeated(
    case: Case, audit: RunAudit, runs: Sequence[Finished]
) -> Experiment[tuple[Case, RunAudit, list[Finished]]]:
    """Repeat the difference, often enough for a search, and choose where the runs of the search
    end.

    First in a short pair, whose tensors are kept. If it does not differ, that says nothing about
    whole runs: these are repeated then.
    """
    ended_early = replace(case, cut=cut.behind(runs)).short(case.unpinned)
    trials = pair(ended_early.with_orders(keep_from=0), 0)
    found = yield list(trials)
    kept = [found[trial] for trial in trials]
    # Such as a warm-up, in which no weight changes; or a script that fails after having been ended
    useless = any(stands_still(run) or not run.outcome.completed for run in kept)
    differ = not useless and isinstance(compare_runs(*kept), Divergence)
    done = yield from repeated(
        case.unpinned, len(runs) // 2, most=case.most, runs=[*runs, *kept] if differ else runs
    )
    whole = [run for run in done if run not in kept]
    audit = replace(_described(case, audit, whole), repeats=counted(done))
    steps = None if useless or not case.end_early else cut.behind(done)
    case = replace(case, cut=steps)
    return case, growth.described(audit, *kept), done


def _unrecorded(case: Case, runs: Sequence[Finished]) -> Experiment[Answer]:
    """Whether unrecorded runs match although recorded ones differ, too often for chance; undecided
    if recorded runs differ rarely.
    """
    condition = case.unpinned.with_orders(record=False)
    answer = yield from ask(condition, UNRECORDED, comparing=compare_ends)
    if not answer.matches:
        return answer
    more = yield from repeated(case.unpinned, len(runs) // 2, compare_ends, case.most, runs)
    recorded = counted((yield from further(case.unpinned, more, MORE)), compare_ends)
    needed = matches_for(recorded, RECORDER, MOST)
    answer = yield from ask(condition, max(needed or 0, UNRECORDED), comparing=compare_ends)
    if answer.matches and needed is None:
        return replace(
            answer,
            matches=None,
            reason="recorded runs differ too rarely to distinguish them from unrecorded runs",
        )
    return answer


# The runs match -----------------------------------------------------------------------------------


def _matching(case: Case, audit: RunAudit, runs: Sequence[Finished]) -> Investigation:
    """Compare an unrecorded pair too, then vary settings that another machine may have."""
    condition = case.unpinned.with_orders(record=False)
    unrecorded = yield from ask(condition, 1, comparing=compare_ends)
    audit = replace(audit, unrecorded=unrecorded.repeats)
    if unrecorded.matches is None:
        return replace(
            audit, reason=f"the unrecorded runs could not be compared: {unrecorded.reason}"
        )
    if not unrecorded.matches:
        return (yield from _hidden(case, audit, runs))
    observer, unrecorded = yield from _same_end(case, runs[0], unrecorded)
    audit = replace(audit, unrecorded=unrecorded.repeats, observer=observer)
    if unrecorded.matches is not True:
        return (yield from _hidden(case, audit, runs))
    if audit.repeats.pairs < 2 and case.pairs is None:
        return replace(
            audit,
            reason="only one pair of runs was made. It matches, but that excludes little: use --pairs 2 to decide, or "
            "--pairs 1 to accept one pair",
        )
    matched = replace(audit, reproducible=True, reason=MATCHED)
    if not case.search:
        return matched
    case.emit(Phase("Testing what the result depends on"))
    varied, more = yield from vary.vary(case, runs)
    if counted(more).differing:
        audit = _described(case, replace(audit, observer=Observer()), more)
        return (yield from _differing(case, audit, more))
    return replace(matched, repeats=counted(more), variations=varied)


def _depends_on_the_first(outside: Sequence[str]) -> str:
    """Return why runs that all read the results of the first run decide nothing."""
    return (
        f"the runs match, but later runs did not do what the first run did: they read what it created, "
        f"{', '.join(outside[:3])}. Let the script write it into its own folder, where each run starts without it"
    )


def _hidden(case: Case, audit: RunAudit, runs: Sequence[Finished]) -> Investigation:
    """Unrecorded runs differ: find out whether more recorded runs differ too, or the recorder hides
    the difference.
    """
    condition = case.unpinned.with_orders(record=False)
    done = yield from repeated(condition, comparing=compare_ends, most=case.most)
    unrecorded = counted((yield from further(condition, done, MORE)), compare_ends)
    needed = matches_for(unrecorded, RECORDER, MOST)
    more = yield from repeated(case.unpinned, len(runs) // 2, most=needed or case.most, runs=runs)
    audit = replace(_described(case, audit, more), unrecorded=unrecorded)
    if audit.repeats.differing:
        return (yield from _differing(case, audit, more))
    if needed is not None and not audit.repeats.problem:
        return replace(
            audit,
            reproducible=False,
            unresolved_pins=("observer",),
            reason=(
                "recorded runs match, but unrecorded runs differ: the recorder hides the difference"
            ),
        )
    reason = "unrecorded runs differ, but no recorded run has differed yet"
    return replace(audit, reproducible=False, reason=attribute.unresolved(case, reason))


def _same_end(
    case: Case, recorded: Finished, unrecorded: Answer
) -> Experiment[tuple[Observer, Answer]]:
    """Compare the final bits of unrecorded runs with those of recorded ones. If they differ,
    request more unrecorded runs.
    """
    condition = case.unpinned.with_orders(record=False)
    found = yield [Trial(condition, 0)]
    if not isinstance(compare_ends(recorded, found[Trial(condition, 0)]), Divergence):
        return Observer(True, "recorded and unrecorded runs match"), unrecorded
    unrecorded = yield from ask(condition, UNRECORDED, comparing=compare_ends)
    if unrecorded.matches is not True:
        return Observer(), unrecorded
    return Observer(
        False,
        "recorded runs match, and so do unrecorded runs, but on other bits: recording changes them",
    ), unrecorded

"""Running one condition of a program several times: do the runs agree?"""
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from detaudit.condition import Condition, pair
from detaudit.counting import pairs_needed
from detaudit.diff import Agreement, Comparison, Divergence, Incomparable
from detaudit.outcome import TIMED_OUT, UNSTARTED
from detaudit.runner import Experiment, Finished, Found
from detaudit.script.findings import Repeats
from detaudit.script.judging import compare_last, compare_trainings
from detaudit.traces import Trace

BEGINS = ("rng", "random at fit")  # what the recorder notes when a ``fit`` begins
SHORT = 20.0  # seconds: what takes less is run more often
MORE = 3      # pairs: fresh ones that confirm what a search found
FRESH = 100   # the number of the first pair of a condition that is run again, after the search

Comparing = Callable[[Finished, Finished], Comparison]


@dataclass(frozen=True)
class Answer:
    """``agree`` None: a run did not complete, with the reason; nothing is known then."""

    agree: bool | None
    repeats: Repeats
    reason: str = ""


def compare_runs(left: Finished, right: Finished) -> Comparison:
    """Two runs of a script. One that fails where the other completes has parted from it.

    One that ran out of time, or was killed, has not: that is the machine's doing, and says nothing.
    """
    done = [one for one in (left, right) if one.outcome.completed]
    if len(done) == 1:
        failed = right if done[0] is left else left
        if failed.outcome.kind in (TIMED_OUT, UNSTARTED) or "SIGKILL" in failed.outcome.reason:
            return Incomparable(failed.outcome.reason)
        return Divergence("metric", None, f"one run {failed.outcome.reason}", "missing")
    if not done:
        return Incomparable(left.outcome.reason)
    if left.trace is None or right.trace is None:
        return Incomparable("a completed run left no trace")
    return compare_trainings(left.trace, right.trace)


def compare_ends(left: Finished, right: Finished) -> Comparison:
    """Only what two runs end on: a bare run has recorded nothing else."""
    if left.trace is None or right.trace is None or not (left.outcome.completed and right.outcome.completed):
        failed = next((one.outcome.reason for one in (left, right) if not one.outcome.completed), "no weights at exit")
        return Incomparable(failed)
    return compare_last(left.trace, right.trace) or Incomparable("no weights at exit")


def counted(done: Sequence[Finished], comparing=compare_runs, across: bool = False) -> Repeats:
    """Disjoint pairs of runs, compared; an odd last run is compared with the first, and counts only if it parts.

    ``across`` compares the first run with one of each further pair too: all runs must agree, not only those of a pair.
    """
    agreed = parted = 0
    divergence, problem, cut = None, None, False
    for left, right, compared, disjoint in _compared(done, comparing, across):
        if isinstance(compared, Incomparable):
            problem = problem or compared.reason
        elif isinstance(compared, Divergence):
            parted += 1
            if divergence is None:
                divergence, cut = compared, _cut_short(left, right)
        elif disjoint:
            agreed += 1
    return Repeats(len(done), agreed, parted, divergence, problem, cut)


def _cut_short(left: Finished, right: Finished) -> bool:
    """Did the first training that is not equal go on in one run when it had ended in the other, and differ in
    nothing?"""
    if left.trace is None or right.trace is None:
        return False
    for (columns, cells), (names, others) in zip(_trainings(left.trace), _trainings(right.trace), strict=False):
        both = min(len(cells), len(others))
        if columns != names or not (cells[:both] == others[:both]).all():
            return False
        if len(cells) != len(others):
            return True
    return False


def _trainings(trace: Trace) -> Iterator[tuple[tuple, np.ndarray]]:
    """The steps of a run, those of each ``fit`` by themselves: what is observed, and the fingerprints."""
    begins = [int(table.sequence[row]) for table in trace.tables if table.kind == "events"
              for row in range(len(table.sequence)) if table.label(row, 0) == BEGINS]
    for table in trace.tables:
        if table.kind == "steps":
            for cells in np.split(table.cells, np.unique(np.searchsorted(table.sequence, begins))):
                if len(cells):
                    yield table.columns, cells


def parting(done: Sequence[Finished]) -> tuple[Divergence, Finished, Finished] | None:
    """The first two runs that part, in the order in which :func:`counted` compares them ``across``."""
    return next(((compared, left, right) for left, right, compared, _ in _compared(done, compare_runs, True)
                 if isinstance(compared, Divergence)), None)


def _compared(done: Sequence[Finished], comparing: Comparing,
              across: bool) -> Iterator[tuple[Finished, Finished, Comparison, bool]]:
    """(one run, another, what comes of comparing them, whether neither was in a pair before), a pair at a time."""
    places = [(place, place + 1) for place in range(0, len(done) - 1, 2)]
    if len(done) > 2 and len(done) % 2:
        places.append((0, len(done) - 1))
    for left, right in places:
        one, other = done[left], done[right]
        compared = comparing(one, other)
        if across and left and isinstance(compared, Agreement):
            one, other = done[0], done[left]
            compared = comparing(one, other)
        yield one, other, compared, bool(left) or right == 1


def pairs_for(repeats: Repeats) -> int:
    """How many agreeing pairs answer one question of the search, from how often loose runs parted.

    Where every loose pair parted, two; else as many as exclude at 95 % that it was luck. What the search finds is run
    again afterwards, more often.
    """
    if repeats.parted == repeats.pairs:
        return 2
    return pairs_needed(max(repeats.parted, 1) / (repeats.pairs + 1))


def ask(condition: Condition, pairs: int, first: int = 0, comparing=compare_runs) -> Experiment[Answer]:
    """``pairs`` pairs of the condition, one after the other: a parting, or a failure, ends it.

    Runs of two pairs must agree as well: side by side, the two runs of a pair may share more than they should.
    """
    done: list[Finished] = []
    for number in range(first, first + pairs):
        some = pair(condition, number)
        found: Found = yield list(some)
        done += [found[trial] for trial in some]
        failed = next((one for one in done if not one.outcome.completed), None)
        if failed:
            return Answer(None, counted(done, comparing), failed.outcome.reason)
        if any(_stands_still(one) for one in done):
            return Answer(None, counted(done, comparing), "trains nothing: with these pins the weights stand still")
        repeats = counted(done, comparing)
        across = comparing(done[0], done[-2])
        if isinstance(across, Divergence) and not repeats.parted:
            repeats = replace(repeats, agreed=repeats.agreed - 1, parted=1, divergence=across)
        if repeats.parted:
            return Answer(False, repeats)
        if repeats.problem:
            return Answer(None, repeats, repeats.problem)
    return Answer(True, counted(done, comparing))


def _stands_still(run: Finished) -> bool:
    """Whether its steps left every weight as it was: such runs agree whatever parts the others. (A script of which that
    is so without pins is refused before.)"""
    measures = run.trace.measures if run.trace else {}
    return bool(measures.get("steps")) and measures.get("moved") is False


def count(condition: Condition, pairs: int) -> Experiment[Repeats]:
    """All of ``pairs`` pairs, whether they part or not."""
    trials = [trial for number in range(pairs) for trial in pair(condition, number)]
    found: Found = yield trials
    return counted([found[trial] for trial in trials])

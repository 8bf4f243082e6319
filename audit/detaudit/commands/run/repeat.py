"""Runs one condition of a program several times: do the runs match?"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from detaudit_probes.protocol import Measures

from detaudit.commands.run.findings import Repeats
from detaudit.commands.run.judging import compare_last, compare_trainings
from detaudit.core.condition import Condition, pair
from detaudit.core.counting import SIGNIFICANT, matches_needed, pairs_needed
from detaudit.core.divergence import Comparison, Divergence, Incomparable, Match
from detaudit.core.experiment import Experiment, Finished, Found
from detaudit.core.outcome import TIMED_OUT, UNSTARTED
from detaudit.core.trace import Trace

BEGINS = ("rng", "random at fit")  # the recorder's note at the start of a ``fit``
# Pairs: fresh ones that must match; two differing pairs against these have a Fisher p of 0.048
MORE = 5
FRESH = 100  # the number of the first pair of a condition that is run again, after the search
MOST = 30  # pairs of one condition that are run until enough of them differ
# Pairs: a source that needs more of them to be shown differs too rarely to be searched for
MOST_MATCHES = 60

Comparing = Callable[[Finished, Finished], Comparison]


@dataclass(frozen=True)
class Answer:
    """``matches`` is None if one of the ``runs`` did not complete, with the reason; then nothing is
    known.
    """

    matches: bool | None
    repeats: Repeats
    reason: str = ""
    runs: tuple[Finished, ...] = ()


def compare_runs(left: Finished, right: Finished) -> Comparison:
    """Compare two runs of a script. If only one of them fails, they differ.

    If it ran out of time, or was killed, the runs are incomparable: that is due to the machine, and
    says nothing about the script.
    """
    done = [one for one in (left, right) if one.outcome.completed]
    if len(done) == 1:
        failed = right if done[0] is left else left
        if failed.outcome.kind in (TIMED_OUT, UNSTARTED) or "SIGKILL" in failed.outcome.reason:
            return Incomparable(failed.outcome.reason)
        return Divergence("metric", None, f"one run failed: {failed.outcome.reason}", "missing")
    if not done:
        return Incomparable(left.outcome.reason)
    if left.trace is None or right.trace is None:
        return Incomparable("a completed run wrote no trace")
    return compare_trainings(left.trace, right.trace)


def compare_ends(left: Finished, right: Finished) -> Comparison:
    """Compare only the final values of two runs, because an unrecorded run contains nothing else. A
    failure counts as in compare_runs.
    """
    if not (left.outcome.completed and right.outcome.completed):
        return compare_runs(left, right)
    if left.trace is None or right.trace is None:
        return Incomparable("no weights at exit")
    return compare_last(left.trace, right.trace) or Incomparable("no weights at exit")


def counted(done: Sequence[Finished], comparing: Comparing = compare_runs) -> Repeats:
    """Compare disjoint pairs of runs; an odd last run is compared with the first, and counts only
    if it differs.

    If the two runs of every pair match, each is compared with one of the next pair instead: two
    runs side by side may share more than they should.
    """
    matching = differing = 0
    divergence, problem, cut = None, None, False
    for left, right, compared in _compared(done, comparing):
        if isinstance(compared, Incomparable):
            problem = problem or compared.reason
        elif isinstance(compared, Divergence):
            differing += 1
            if divergence is None:
                divergence, cut = compared, one_is_longer(left, right)
        else:
            matching += 1
    return Repeats(len(done), matching, differing, divergence, problem, cut)


def one_is_longer(left: Finished, right: Finished) -> bool:
    """Whether the first training that is not equal made more steps in one run than in the other,
    and matched in all others.
    """
    if left.trace is None or right.trace is None:
        return False
    for (columns, cells), (names, others) in zip(
        _trainings(left.trace), _trainings(right.trace), strict=False
    ):
        both = min(len(cells), len(others))
        if columns != names or not (cells[:both] == others[:both]).all():
            return False
        if len(cells) != len(others):
            return True
    return False


def fits_of(runs: Sequence[Finished]) -> list[int]:
    """Return how many models the runs fit without training steps, each number once."""
    return sorted({run.trace.measures.fits for run in runs if run.trace is not None})


def _trainings(trace: Trace) -> Iterator[tuple[tuple, np.ndarray]]:
    """Return the steps of a run, separately for each ``fit``: the observed names, and the
    fingerprints.
    """
    begins = [event.sequence for event in trace.events(*BEGINS)]
    for table in trace.step_tables:
        for cells in np.split(table.cells, np.unique(np.searchsorted(table.sequence, begins))):
            if len(cells):
                yield table.columns, cells


def differing_pairs(done: Sequence[Finished]) -> list[tuple[Divergence, Finished, Finished]]:
    """Return the pairs of runs that differ, in the order in which :func:`counted` compares them."""
    return [
        (compared, left, right)
        for left, right, compared in _compared(done, compare_runs)
        if isinstance(compared, Divergence)
    ]


def first_differing_pair(done: Sequence[Finished]) -> tuple[Divergence, Finished, Finished] | None:
    """Return the first two runs that differ."""
    return next(iter(differing_pairs(done)), None)


def _compared(
    done: Sequence[Finished], comparing: Comparing
) -> list[tuple[Finished, Finished, Comparison]]:
    """Return (one run, another, the result of comparing them) for disjoint pairs of runs."""
    firsts, seconds = done[0::2], done[1::2]
    within = [
        (left, right, comparing(left, right)) for left, right in zip(firsts, seconds, strict=False)
    ]
    if not all(isinstance(compared, Match) for _, _, compared in within):
        return within
    last = comparing(done[0], done[-1]) if len(done) > 2 and len(done) % 2 else None
    if isinstance(last, Divergence):
        return [*within, (done[0], done[-1], last)]
    if len(within) < 2:
        return within
    turned = [*seconds[1:], seconds[0]]
    across = [
        (left, right, comparing(left, right)) for left, right in zip(firsts, turned, strict=False)
    ]
    return across if any(isinstance(compared, Divergence) for _, _, compared in across) else within


def pairs_for(repeats: Repeats) -> int:
    """Return how many matching pairs answer one question of the search, given how often unpinned
    runs differed.

    If every unpinned pair differed, one; else as many as exclude chance at 95 %. The findings of
    the search are confirmed afterwards with more runs.
    """
    if repeats.differs_always:
        return 1
    return pairs_needed(max(repeats.differing, 1) / (repeats.pairs + 1))


def ask(
    condition: Condition, pairs: int, first: int = 0, comparing: Comparing = compare_runs
) -> Experiment[Answer]:
    """Run ``pairs`` pairs of the condition, one after the other; a difference, or a failure, ends
    it.

    Runs of different pairs must match as well: the two runs of a pair, side by side, may share more
    than they should.
    """
    done: list[Finished] = []
    recorded = condition.orders.record
    for number in range(first, first + pairs):
        trials = pair(condition, number)
        found: Found = yield list(trials)
        done += [found[trial] for trial in trials]
        failed = next((run for run in done[-2:] if not run.outcome.completed), None)
        if failed:
            return Answer(None, counted(done, comparing), failed.outcome.reason, tuple(done))
        if recorded and any(stands_still(run) for run in done[-2:]):
            return Answer(
                None,
                counted(done, comparing),
                "with these pins no weight changed, so nothing was trained",
                tuple(done),
            )
        compared = [comparing(done[-2], done[-1]), comparing(done[0], done[-2])]
        if any(isinstance(one, Divergence) for one in compared):
            return Answer(False, counted(done, comparing), "", tuple(done))
        problem = next((one for one in compared if isinstance(one, Incomparable)), None)
        if problem is not None:
            return Answer(None, counted(done, comparing), problem.reason, tuple(done))
    return Answer(True, Repeats(len(done), pairs, 0), "", tuple(done))


def stands_still(run: Finished) -> bool:
    """Whether its steps left every weight unchanged: such runs match whatever makes the others
    differ.

    (A script that behaves like this without pins is refused earlier; an unrecorded run is not
    checked.)
    """
    measures = run.trace.measures if run.trace else Measures()
    return bool(measures.steps) and measures.moved is False


def repeated(
    condition: Condition,
    first: int = 0,
    comparing: Comparing = compare_runs,
    most: int = MOST,
    runs: Sequence[Finished] = (),
    level: float = SIGNIFICANT,
) -> Experiment[list[Finished]]:
    """Run the condition, a pair at a time, until enough of the pairs differ, or there are ``most``.

    Enough are two of two, or so many that chance is excluded at ``level`` if as many pairs of
    another condition match. ``runs`` are whole pairs that exist already, ``first`` is the number of
    the first new one. A pair that cannot be compared ends it.
    """
    done, number = list(runs), first
    comparing = _remembered(comparing)
    repeats = counted(done, comparing)
    while not _enough(repeats, level) and not repeats.problem and len(done) < 2 * most:
        trials = pair(condition, number)
        found: Found = yield list(trials)
        done += [found[trial] for trial in trials]
        repeats, number = counted(done, comparing), number + 1
    return done


def further(
    condition: Condition, runs: Sequence[Finished], pairs: int
) -> Experiment[list[Finished]]:
    """Return ``runs``, whole pairs from the first on, followed by this many more pairs."""
    first = len(runs) // 2
    trials = [trial for number in range(first, first + pairs) for trial in pair(condition, number)]
    found: Found = yield trials
    return [*runs, *(found[trial] for trial in trials)]


def _remembered(comparing: Comparing) -> Comparing:
    """Return ``comparing``, but comparing the same two runs only once: when runs grow by a pair at
    a time, most comparisons repeat.
    """
    known: dict[tuple[int, int], Comparison] = {}

    def compared(left: Finished, right: Finished) -> Comparison:
        key = (id(left), id(right))
        if key not in known:
            known[key] = comparing(left, right)
        return known[key]

    return compared


def _enough(repeats: Repeats, level: float) -> bool:
    needed = matches_needed(repeats.differing, repeats.pairs, level)
    return needed is not None and needed <= max(MORE, repeats.pairs)


def matches_for(
    repeats: Repeats, level: float = SIGNIFICANT, most: int = MOST_MATCHES
) -> int | None:
    """Return how many matching pairs of another condition exclude that the differing pairs here are
    chance; None: more than ``most``.
    """
    needed = matches_needed(repeats.differing, repeats.pairs, level)
    return needed if needed is not None and needed <= most else None

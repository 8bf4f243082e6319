"""Questions of the search: do short runs with these pins match?

They may be asked of forked runs, which may behave unlike fresh ones. So the two are compared: with
the first pins that work, and with those that will be named, both must end on the same bits; without
one of several pins, both must differ. Where they behave unlike each other, or only forked runs do
not complete, forks are dropped, and the question is asked again of fresh runs.
"""

from collections.abc import Sequence

from detaudit.commands.run.case import Case
from detaudit.commands.run.findings import Repeats
from detaudit.commands.run.repeat import Answer, ask, compare_runs, counted, repeated
from detaudit.core.condition import Condition, Trial, pair
from detaudit.core.divergence import Divergence, Incomparable
from detaudit.core.experiment import Experiment, Finished


def matches(case: Case, pins: Sequence[str], pairs: int, first: int = 0) -> Experiment[Answer]:
    """Return whether short runs with these pins match. ``first`` is the number of the first pair,
    zero for the questions of the search itself.
    """
    condition, forks = case.compared(case.asked(pins)), case.forks
    answer = yield from ask(condition, pairs, first)
    if not condition.orders.forked:
        return answer
    compared_before = condition in forks.tried or (forks.tried and not first)
    if answer.matches and not compared_before:
        yield from _try_forks(case, condition, first)
    if answer.matches is not None and forks.usable:
        return answer
    fresh = yield from ask(_fresh(condition), pairs, first)
    if fresh.matches is not None:
        forks.drop(f"a forked run did not complete: {answer.reason}")
    return fresh


def repeats(
    case: Case, pins: Sequence[str], free: str, first: int, most: int, level: float
) -> Experiment[Repeats]:
    """Count how many pairs of short runs differ with these pins but without ``free``, as
    :func:`repeat.repeated` runs them. Of forked runs, the first pair is fresh.
    """
    condition, forks = case.compared(case.asked(pins, (free,))), case.forks
    forked = None
    if condition.orders.forked:
        # Without any pin, fresh runs are known to differ
        fresh_runs = (yield from _fresh_pair(condition, first)) if pins else []
        runs = yield from repeated(condition, first, most=most, level=level, runs=fresh_runs)
        forked = counted(runs)
        if 0 < forked.differing < forked.pairs:
            forks.reject(
                f"without {free} pinned, some pairs of forked and fresh runs differ and others match"
            )
        if not forked.problem and forks.usable:
            return forked
    fresh = counted((yield from repeated(_fresh(condition), first, most=most, level=level)))
    if forked is not None and forked.problem and not fresh.problem:
        forks.drop(f"a forked run did not complete: {forked.problem}")
    return fresh


def _fresh(condition: Condition) -> Condition:
    return condition.with_orders(forked=False)


def _fresh_pair(condition: Condition, number: int) -> Experiment[list[Finished]]:
    trials = pair(_fresh(condition), number)
    found = yield list(trials)
    return [found[trial] for trial in trials]


def _try_forks(case: Case, condition: Condition, first: int) -> Experiment[None]:
    """Compare a forked run that matched another one with a fresh run of the same pins."""
    fresh, forked = Trial(_fresh(condition), 2 * first), Trial(condition, 2 * first)
    found = yield [forked, fresh]
    case.forks.tried.add(condition)
    compared = compare_runs(found[forked], found[fresh])
    if isinstance(compared, Divergence):
        case.forks.reject("with the same pins, forked runs and fresh runs end on different bits")
    elif isinstance(compared, Incomparable):
        case.forks.drop(f"a forked and a fresh run could not be compared: {compared.reason}")

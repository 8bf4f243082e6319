"""Questions of the search: do short runs with these pins match?

They may be asked of forked runs. Whether these behave like fresh ones is itself tried, with the
first pins that work and with those that will be named: forked and fresh runs with the same pins
must end on the same bits. If they do not, or a forked run does not complete, forks are dropped, and
the question is asked again of fresh runs.
"""

from collections.abc import Sequence

from detaudit.commands.run.case import Case
from detaudit.commands.run.findings import Repeats
from detaudit.commands.run.repeat import Answer, ask, compare_runs, counted, repeated
from detaudit.core.condition import Condition, Trial
from detaudit.core.divergence import Divergence
from detaudit.core.experiment import Experiment


def matches(case: Case, pins: Sequence[str], pairs: int, first: int = 0) -> Experiment[Answer]:
    """Return whether short runs with these pins match. ``first`` is the number of the first pair,
    zero for the questions of the search itself.
    """
    condition = case.asked(pins)
    answer = yield from ask(condition, pairs, first)
    if condition.orders.forked:
        if answer.matches is None:
            case.forks.drop(f"a forked run did not complete: {answer.reason}")
        elif (
            answer.matches and condition not in case.forks.tried and (first or not case.forks.tried)
        ):
            yield from _try_forks(case, condition, first)
        if not case.forks.usable():
            return (yield from ask(case.asked(pins), pairs, first))
    return answer


def repeats(
    case: Case, pins: Sequence[str], free: str, first: int, most: int, level: float
) -> Experiment[Repeats]:
    """Count how many pairs of short runs differ with these pins but without ``free``, as
    :func:`repeat.repeated` runs them.
    """
    condition = case.asked(pins, (free,))
    found = counted((yield from repeated(condition, first, most=most, level=level)))
    if condition.orders.forked and found.problem:
        case.forks.drop(f"a forked run did not complete: {found.problem}")
        condition = case.asked(pins)
        found = counted((yield from repeated(condition, first, most=most, level=level)))
    return found


def _try_forks(case: Case, condition: Condition, first: int) -> Experiment[None]:
    """Compare a forked run that matched another one with a fresh run of the same pins."""
    fresh = Trial(condition.with_orders(forked=False), 2 * first)
    forked = Trial(condition, 2 * first)
    found = yield [forked, fresh]
    case.forks.tried.add(condition)
    if isinstance(compare_runs(found[forked], found[fresh]), Divergence):
        case.forks.drop("with the same pins, forked runs and fresh runs end on different bits")

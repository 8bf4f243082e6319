"""Where the trials of a search end: behind the divergence that they are about.

A program that differs in its first step is run to its end a few times only; every question of the
search is asked with runs that are ended after as many steps as show the difference, and a few more
where steps cost little.
"""

from collections.abc import Sequence

import numpy as np
from detaudit_probes.protocol import Measures

from detaudit.commands.run.origin import place
from detaudit.commands.run.repeat import differing_pairs, one_is_longer
from detaudit.core.divergence import Divergence, aligned
from detaudit.core.experiment import Finished
from detaudit.core.trace import Trace

#: A race does not show in the same step each time: trials make this many times as many steps as the
#: latest first divergence needed to show.
MARGIN = 2
#: A race shows more often in more steps, and fewer pairs of runs decide then. A trial makes as many
#: more as take this share of the time until its first step has ended, up to half of the steps.
ROOM = 0.05
#: Stages in which nothing races: the batch, or the initial value, differs from the beginning.
AT_ONCE = ("data", "init")


def behind(done: Sequence[Finished]) -> int | None:
    """Return the number of steps after which trials end, so that they show the first divergence of
    every pair of ``done`` that differs. None: only whole runs do, as if one run makes more steps
    than the other, or threads train side by side; at least one of ``done`` is whole.
    """
    if any(one.trace.side_by_side for one in done if one.trace is not None):
        return None
    total = max((one.trace.measures.steps for one in done if one.trace is not None), default=0)
    needed = 0
    for divergence, left, right in differing_pairs(done):
        shown = _shown(divergence, left.trace, right.trace)
        if shown is None or one_is_longer(left, right):
            return None
        needed = max(needed, shown if divergence.stage in AT_ONCE else MARGIN * shown)
    if not 0 < needed < total:
        return None
    return max(needed, min(1 + _cheap(done), total // 2))


def _cheap(done: Sequence[Finished]) -> int:
    """Return how many steps cost next to nothing beside the beginning of a run, in each of them."""
    return min((_cheap_in(run) for run in done), default=0)


def _cheap_in(run: Finished) -> int:
    measures = run.trace.measures if run.trace is not None else Measures()
    first, last, to_the_end = measures.first_step, measures.last_step, measures.after_import
    if first is None or last is None or to_the_end is None or last <= first:
        return 0
    beginning = max(run.outcome.seconds - to_the_end, 0.0) + first
    return int(ROOM * beginning * (measures.steps - 1) / (last - first))


def within(done: Sequence[Finished], steps: int) -> bool:
    """Whether a pair of these runs differs already in its first ``steps`` steps."""
    shown = [
        _shown(divergence, left.trace, right.trace)
        for divergence, left, right in differing_pairs(done)
    ]
    return any(one is not None and one <= steps for one in shown)


def _shown(divergence: Divergence, left: Trace | None, right: Trace | None) -> int | None:
    """Return how many steps a run must make to show a divergence: those up to its own step; or up
    to the step that follows it, if it belongs to none. None if that is unknown, or no step follows.
    """
    if divergence.step is not None:
        return divergence.step + 1
    if left is None or right is None or divergence.kind == "missing":
        return None
    sequence = place(left, aligned(left, right), divergence)
    last = -1  # the last step before it
    for table in left.step_tables:
        last = int(np.max(table.step[table.sequence < sequence], initial=last))
    following = last + 1
    return following + 1 if following < left.measures.steps else None

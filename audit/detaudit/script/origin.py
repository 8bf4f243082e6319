"""Whether the first divergence came in with what went into the step, or was born in it."""
import math
from collections.abc import Sequence
from itertools import pairwise

from detaudit.diff import Divergence
from detaudit.runner import Finished
from detaudit.script.repeat import compare_runs
from detaudit.traces import Trace

#: What the recorder calls the states of the process's own generators ("random at fit"): their sources, in words too.
GENERATORS = {"random": ("python-random", "Python's random"), "numpy": ("numpy-legacy", "NumPy's global generator")}


def origin(done: Sequence[Finished]) -> str:
    """One sentence on the first pair of runs that part, or nothing where none does or it cannot be told."""
    parted = _first_that_parts(done)
    return _told(*parted) if parted is not None else ""


def suspects(done: Sequence[Finished]) -> set[str]:
    """Sources that the runs themselves speak against: to be asked about first, and no more than that.

    Generators that were in other states before the runs parted, and sources that were met by more than the import of
    an installed module.
    """
    found = {name for one in done if one.trace is not None for name in one.trace.measures.get("used", ())}
    parted = _first_that_parts(done)
    if parted is not None:
        divergence, left, right = parted
        apart = _differing(left, right, _sequence(left, divergence))
        found |= {source for word, (source, _) in GENERATORS.items() if word in apart}
    return found


def _first_that_parts(done: Sequence[Finished]) -> tuple[Divergence, Trace, Trace] | None:
    for left, right in pairwise(done):
        found = compare_runs(left, right)
        if isinstance(found, Divergence) and left.trace is not None and right.trace is not None:
            return found, left.trace, right.trace
    return None


def _told(found: Divergence, left: Trace, right: Trace) -> str:
    if found.kind == "missing":
        return ""
    if found.stage == "data":
        return "it came in with the data: other batches went into the same step"
    if found.stage == "init":
        return "it was there before the first step: the first values differ"
    differing = [GENERATORS[name][1] if name in GENERATORS else name
                 for name in _differing(left, right, _sequence(left, found))]
    if differing:
        return f"equal batches and weights went in; the state of {', '.join(differing[:3])} differed by then"
    return "it was born there: whatever was recorded before it is equal, batches, weights and generators"


def _differing(left: Trace, right: Trace, before: float) -> list[str]:
    """Generators whose last state before the divergence differs, if they were drawn from, or seeded, at all.

    Python and NumPy begin every process with a state of its own: that alone makes no difference.
    """
    lefts, rights = _states(left, before), _states(right, before)
    found = []
    for name, states in lefts.items():
        others = rights.get(name, [])
        still = name in GENERATORS and len({*states}) == 1 and len({*others}) == 1
        if others and states[-1] != others[-1] and not still:
            found.append(name)
    return found


def _states(trace: Trace, before: float) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for table in trace.tables:
        for row in range(len(table.sequence)) if table.kind == "events" else ():
            stage, name = table.label(row, 0)
            if stage == "rng" and int(table.sequence[row]) < before:
                word = name.partition(" at ")[0]
                found.setdefault(word if word in GENERATORS else name, []).append(int(table.cells[row, 0]))
    return found


def _sequence(trace: Trace, found: Divergence) -> float:
    """The place of the divergence in causal order."""
    for table in trace.tables:
        if table.kind == "events" and found.step is None:
            rows = [row for row in range(len(table.sequence)) if table.label(row, 0) == (found.stage, found.name)]
        elif table.kind == "steps" and found.step is not None and (found.stage, found.name) in table.columns:
            rows = [row for row in range(len(table.step)) if int(table.step[row]) == found.step]
        else:
            continue
        if rows:
            return int(table.sequence[rows[0]])
    return math.inf

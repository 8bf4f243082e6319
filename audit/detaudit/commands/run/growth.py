"""How far two runs drift apart, step by step: from a pair whose tensors were kept as bytes."""

from collections.abc import Sequence
from dataclasses import replace

from detaudit.commands.run.findings import Growth, Repeats, RunAudit
from detaudit.commands.run.repeat import compare_runs, first_differing_pair
from detaudit.core.counting import evenly_chosen
from detaudit.core.divergence import Divergence, aligned
from detaudit.core.experiment import Finished
from detaudit.core.step_grid import StepGrid, step_grid
from detaudit.core.trace import Table, Trace
from detaudit.core.ulp import distance

POINTS = 200  # points of the curve that are kept


def described(audit: RunAudit, left: Finished, right: Finished) -> RunAudit:
    """Return ``audit`` with the curve of this pair; empty if the runs matched, did not complete, or
    were too large to be kept.

    If they differ at exactly the place of the first divergence, their distance there is added too.
    """
    if left.trace is None or right.trace is None:
        return audit
    return replace(
        audit,
        growth=curve(left.trace, right.trace),
        repeats=_with_distance(audit.repeats, compare_runs(left, right)),
    )


def _with_distance(repeats: Repeats, other: object) -> Repeats:
    known = repeats.divergence
    if (
        known is None
        or not isinstance(other, Divergence)
        or replace(other, distance=None) != replace(known, distance=None)
    ):
        return repeats
    return replace(repeats, divergence=other)


def first_grid(runs: Sequence[Finished]) -> StepGrid | None:
    """Return in which steps the first two runs that differ do so; None if there is no such pair, or
    no step.
    """
    pair = first_differing_pair(runs)
    if pair is None:
        return None
    left, right = (run.completed_trace for run in pair[1:])
    return None if left is None or right is None else step_grid(left, right)


def curve(left: Trace, right: Trace) -> tuple[Growth, ...]:
    """Return the distance of all updated weights after each step that both traces have kept."""
    points = []
    rights = {table.name: table for table in aligned(left, right).step_tables}
    for table in left.step_tables:
        other = rights.get(table.name)
        if other is None or other.columns != table.columns:
            continue
        for row in range(min(len(table.cells), len(other.cells))):
            point = _point(table, other, row, len(points))
            if point is not None:
                points.append(point)
    differing = [point for point in points if point.differing_elements]
    return tuple(evenly_chosen(differing, POINTS))


def _point(table: Table, other: Table, row: int, step: int) -> Growth | None:
    elements = total = 0
    ulps: int | None = None
    gap: float | None = None
    for cell, (stage, name) in enumerate(table.columns):
        if stage != "update" or name.startswith("optimizer/"):
            continue
        a, b = table.record(row, cell), other.record(row, cell)
        if a is None or b is None or not a.is_like(b):
            return None
        if a.elements == b.elements:
            total += a.size
            continue
        far = distance(a.elements, b.elements, a.dtype)
        elements, total = elements + far.differing_elements, total + far.total
        ulps = max(ulps or 0, far.ulps_max) if far.ulps_max is not None else ulps
        gap = max(gap or 0.0, far.max_abs) if far.max_abs is not None else gap
    return Growth(step, elements, total, ulps, gap)

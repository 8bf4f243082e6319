"""What replays left in their traces: distinct results, and how far apart two of them are. Functions
on values.
"""

import re
from collections.abc import Iterable, Sequence

import numpy as np

from detaudit.diff import Divergence
from detaudit.pinpoint import Guilty, Replays
from detaudit.traces import Table, Trace
from detaudit.ulp import distance

Row = tuple[tuple[tuple[str, str], ...], tuple[int, ...]]  # the columns, and their fingerprints

#: How ``trace.TraceWriter`` names the next table of a phase, where a call brings other results.
_NEXT_TABLE = re.compile(r" \(\d+\)$")


def tables(trace: Trace, name: str) -> list[Table]:
    return [
        table
        for table in trace.tables
        if table.kind == "steps" and _NEXT_TABLE.sub("", table.name) == name
    ]


def rows(traces: Iterable[Trace], name: str) -> list[Row]:
    """What each call of an entry gave, in the order of the traces."""
    return [
        (table.columns, tuple(map(int, cells)))
        for trace in traces
        for table in tables(trace, name)
        for cells in table.cells
    ]


def counted(traces: Sequence[Trace], name: str) -> Replays | None:
    """How many distinct results an entry gave over the traces; None where it gave none."""
    found = rows(traces, name)
    return Replays(len(found), len(set(found))) if found else None


def by_process(traces: Sequence[Trace], name: str) -> Replays | None:
    """How many distinct results processes gave, all calls of one together; None where they gave
    none.
    """
    found = [tuple(rows([trace], name)) for trace in traces]
    called = [each for each in found if each]
    return Replays(len(called), len(set(called))) if called else None


def once(trace: Trace, stage: str, start: str) -> dict[str, int]:
    """The fingerprints of what happened once, of names that begin with ``start``."""
    found = {}
    for table in trace.tables:
        if table.kind == "events":
            for row in range(len(table.sequence)):
                of, name = table.label(row, 0)
                if of == stage and name.startswith(start):
                    found[name] = int(table.cells[row, 0])
    return found


def inputs(trace: Trace, name: str) -> dict[str, int]:
    return once(trace, "data", f"{name} input ")


def batch_agrees(trace: Trace, name: str) -> bool | None:
    """Whether the first example of a batch has the same bits alone; None where that was not
    tried.
    """
    pair = [once(trace, "forward", f"{name} {ending}") for ending in ("of the batch", "alone")]
    return None if not all(pair) else [*pair[0].values()] == [*pair[1].values()]


def divergence(traces: Sequence[Trace], name: str) -> Divergence | None:
    """The first call that gave another result than the first one, and how far apart they are."""
    found = [
        (table, row)
        for trace in traces
        for table in tables(trace, name)
        for row in range(len(table.cells))
    ]
    for table, row in found[1:]:
        begun, first = found[0]
        if table.columns != begun.columns:
            return Divergence("forward", row, name, "missing")
        differing = np.flatnonzero(table.cells[row] != begun.cells[first])
        if len(differing):
            return _parted(begun, first, table, row, int(differing[0]))
    return None


def _parted(begun: Table, first: int, table: Table, row: int, cell: int) -> Divergence:
    stage, part = table.columns[cell]
    a, b = begun.record(first, cell), table.record(row, cell)
    if a is not None and b is not None and a[:2] != b[:2]:
        return Divergence(stage, row, part, "shape")
    known = a is not None and b is not None and a[0] != "object" and a[2] != b[2]
    return Divergence(stage, row, part, "bits", distance(a[2], b[2], a[0]) if known else None)  # type: ignore[index]


def guilty(traces: Iterable[Trace], name: str) -> Guilty | None:
    """The operation at which watched replays parted, where they did in one of the traces."""
    for trace in traces:
        one = trace.measures.operations.guilty.get(name)
        if one is not None:
            return Guilty.of(one, Replays(one["replays"], one["distinct"]))
    return None

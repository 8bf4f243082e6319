"""The results of replays, from their traces: how many are distinct, and how far apart two of them
are. Functions on values.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from detaudit.core.divergence import Divergence, difference
from detaudit.core.notes import Executed
from detaudit.core.pinpoint import LocatedOperation, Replays
from detaudit.core.trace import Table, Trace

Row = tuple[tuple[tuple[str, str], ...], tuple[int, ...]]  # the columns, and their fingerprints


def tables(trace: Trace, name: str) -> list[Table]:
    """Return the tables of an entry's calls; a call with other results starts a new table."""
    return [table for table in trace.step_tables if table.phase == name]


def rows(traces: Iterable[Trace], name: str) -> list[Row]:
    """Return the results of each call of an entry, in the order of the traces."""
    return [
        (table.columns, tuple(map(int, cells)))
        for trace in traces
        for table in tables(trace, name)
        for cells in table.cells
    ]


def counted(traces: Sequence[Trace], name: str) -> Replays | None:
    """Return how many distinct results an entry gave over all traces; None if it gave none."""
    found = rows(traces, name)
    return Replays(len(found), len(set(found))) if found else None


def by_process(traces: Sequence[Trace], name: str) -> Replays | None:
    """Return how many distinct results the processes gave, taking all calls of a process together;
    None if they gave none.
    """
    found = [tuple(rows([trace], name)) for trace in traces]
    called = [each for each in found if each]
    return Replays(len(called), len(set(called))) if called else None


def once(trace: Trace, stage: str, start: str) -> dict[str, int]:
    """Return the fingerprints of observations that are made once and whose names begin with
    ``start``.
    """
    return {
        event.name: event.fingerprint
        for event in trace.events(stage)
        if event.name.startswith(start)
    }


def inputs(trace: Trace, name: str) -> dict[str, int]:
    return once(trace, "data", f"{name} input ")


def same_in_a_batch(trace: Trace, name: str) -> bool | None:
    """Whether the first example of a batch has the same bits alone; None if this was not tried."""
    pair = [once(trace, "forward", f"{name} {ending}") for ending in ("of the batch", "alone")]
    return None if not all(pair) else [*pair[0].values()] == [*pair[1].values()]


def divergence(traces: Sequence[Trace], name: str) -> Divergence | None:
    """Return the first call whose result is not that of the first call, and how far the two are
    apart.
    """
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
            cell = int(differing[0])
            stage, part = table.columns[cell]
            return difference(stage, row, part, begun.record(first, cell), table.record(row, cell))
    return None


def differing_operation(traces: Iterable[Trace], name: str) -> LocatedOperation | None:
    """Return the operation at which recorded replays differ, if they do in one of the traces."""
    for trace in traces:
        one = trace.measures.operations.differing.get(name)
        if one is not None:
            return LocatedOperation.of(Executed.of(one), Replays(one["replays"], one["distinct"]))
    return None

"""Compares two traces: finds the first observation, in causal order, at which they differ.

Only two traces with the same non-zero number of observations and equal facts can match. An
observation that is additional, missing or renamed, or a trace that ends early, is a divergence
there.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

import numpy as np

from detaudit.core.trace import Table, Tensor, Trace
from detaudit.core.ulp import Distance, distance

#: The stages that do not count if a generator is unpinned: its own state differs at once, but only
#: the effect on the training is judged.
IGNORED = ("rng",)
#: The kind of a table with the data of fits, which decides nothing.
DATA_OF_FITS = "data"
#: The kinds of tables in which a script may name the same thing otherwise in another run.
NAMED_BY_SCRIPT = ("events", "steps")


@dataclass(frozen=True)
class Divergence:
    """The first pair of observations that differ. ``step`` is None for an observation that is made
    once.

    ``kind`` is ``bits``, ``missing`` (only one trace has it) or ``shape`` (dtype or shape differ).
    ``distance`` is None if the bytes were not kept or cannot be compared.
    """

    stage: str
    step: int | None
    name: str
    kind: str
    distance: Distance | None = None


@dataclass(frozen=True)
class Match:
    observations: int


@dataclass(frozen=True)
class Incomparable:
    """Two traces that show nothing about each other, and why."""

    reason: str


NOTHING = Incomparable("nothing was observed")
Comparison = Match | Divergence | Incomparable
# Its label; table, row, cell
_Observed = tuple[tuple[str, str, int | None, str], Table, int, int]


def compare(left: Trace, right: Trace, ignore: Collection[str] = ()) -> Comparison:
    """Compare two completed traces; observations of the stages in ``ignore`` do not count."""
    differing = sorted(
        key
        for key in left.facts.keys() | right.facts.keys()
        if left.facts.get(key) != right.facts.get(key)
    )
    if differing:
        return Incomparable(f"the environments differ: {', '.join(differing)}")
    if left.fingerprint != right.fingerprint:
        return Incomparable("the traces were fingerprinted by different algorithms")
    lefts, rights = _filtered(left, ignore), _filtered(right, ignore)
    row = _first_row(lefts, rights)
    if row is not None:
        return _first_in(_observations(lefts, row), _observations(rights, row))
    count = sum(int(table.cells.size) for table in lefts.values())
    return Match(count) if count else NOTHING


def differ_so_far(left: Trace, right: Trace) -> bool:
    """Whether two traces that may not be complete differ in a step that both contain; then
    :func:`compare` will find a divergence.
    """
    others = {table.name: table for table in right.step_tables}
    both = [(table, others[table.name]) for table in left.step_tables if table.name in others]
    return any(
        one.columns == other.columns and _first_row_of(one, other) is not None
        for one, other in both
    )


def aligned(left: Trace, right: Trace) -> Trace:
    """Return ``right`` with the names of ``left``: see :func:`renamed`."""
    names = renamed(left, right)
    tables = [
        replace(
            table,
            columns=tuple((stage, names.get((stage, name), name)) for stage, name in table.columns),
        )
        if table.kind in NAMED_BY_SCRIPT
        else table
        for table in right.tables
    ]
    return replace(right, tables=tuple(tables)) if names else right


def renamed(left: Trace, right: Trace) -> dict[tuple[str, str], str]:
    """Return the left names of renamed observations, by their stage and their name on the right.

    Observations of one stage whose names have no counterpart in the other trace are paired in their
    order, if there are equally many in both. (If their shapes differ, so do their fingerprints.)
    """
    lefts, rights = _names(left), _names(right)
    pairs = {stage: partners(names, rights.get(stage, ())) for stage, names in lefts.items()}
    return {(stage, name): other for stage, found in pairs.items() for name, other in found.items()}


def partners(lefts: Sequence[str], rights: Sequence[str]) -> dict[str, str]:
    """Return the left name of each name on the right that is different there."""
    known, others = set(lefts), set(rights)
    alone = [name for name in lefts if name not in others]
    unknown = [name for name in rights if name not in known]
    return dict(zip(unknown, alone, strict=True)) if len(alone) == len(unknown) else {}


def _names(trace: Trace) -> dict[str, list[str]]:
    """Return the names of each stage, each once, in the order in which they were first observed."""
    found: dict[str, dict[str, None]] = {}
    named = (table for table in trace.tables if table.kind in NAMED_BY_SCRIPT)
    for stage, name in (column for table in named for column in table.columns):
        found.setdefault(stage, {}).setdefault(name)
    return {stage: list(names) for stage, names in found.items()}


def _filtered(trace: Trace, ignore: Collection[str]) -> dict[str, Table]:
    judged = (table for table in trace.tables if table.kind != DATA_OF_FITS)
    kept = ((table.name, _without(table, ignore)) for table in judged)
    return {name: table for name, table in kept if table.cells.size}


def _without(table: Table, ignore: Collection[str]) -> Table:
    if not ignore or not any(stage in ignore for stage, _ in table.columns):
        return table
    if table.kind != "events":
        raise ValueError("a step table is compared whole")
    keep = np.array(
        [table.columns[int(column)][0] not in ignore for column in table.column], dtype=bool
    )
    return replace(
        table,
        sequence=table.sequence[keep],
        step=table.step[keep],
        column=table.column[keep],
        cells=table.cells[keep],
        origin=table.origin[keep],
    )


def _first_row(lefts: dict[str, Table], rights: dict[str, Table]) -> int | None:
    """Return the first row, counted in causal order over all tables, in which the two traces differ
    in any way.

    Up to that row, the k-th row of a table is the k-th in both traces, so tables can be compared
    row by row.
    """
    names = sorted(lefts.keys() | rights.keys())
    left, right = _order(lefts, names)[0], _order(rights, names)[0]
    both = min(len(left), len(right))
    found = (
        [int(np.argmax(left[:both] != right[:both]))] if (left[:both] != right[:both]).any() else []
    )
    if len(left) != len(right):
        found.append(both)
    for number, name in enumerate(names):
        if name in lefts and name in rights:
            row = _first_row_of(lefts[name], rights[name])
            if row is not None:
                found.append(int(np.flatnonzero(left == number)[row]))
    return min(found, default=None)


def _order(tables: dict[str, Table], names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of all tables in causal order: the table of each, as an index of ``names``,
    and its row there.
    """
    there = [(number, tables[name]) for number, name in enumerate(names) if name in tables]
    if not there:
        return np.zeros(0, dtype=int), np.zeros(0, dtype=int)
    causal = np.argsort(np.concatenate([table.sequence for _, table in there]), kind="stable")
    which = np.concatenate([np.full(len(table.sequence), number) for number, table in there])
    rows = np.concatenate([np.arange(len(table.sequence)) for _, table in there])
    return which[causal], rows[causal]


def _first_row_of(left: Table, right: Table) -> int | None:
    """Return the first row that differs in the part that both tables have, or None."""
    rows = min(len(left.cells), len(right.cells))
    if left.kind != right.kind or (left.kind != "events" and left.columns != right.columns):
        return 0
    known = {
        label: number for number, label in enumerate(dict.fromkeys(left.columns + right.columns))
    }
    differ = (left.cells[:rows] != right.cells[:rows]).any(axis=1) | (
        left.step[:rows] != right.step[:rows]
    )
    if left.kind == "events":
        a, b = (
            np.array([known[label] for label in table.columns])[table.column[:rows].astype(int)]
            for table in (left, right)
        )
        differ |= a != b
    return int(np.argmax(differ)) if differ.any() else None


def _observations(tables: dict[str, Table], row: int) -> Iterator[_Observed]:
    """Return every observation from a row on, in causal order."""
    names = sorted(tables)
    for number, place in zip(*(part[row:] for part in _order(tables, names)), strict=True):
        table, at = tables[names[number]], int(place)
        for cell in range(table.cells.shape[1]):
            stage, name = table.label(at, cell)
            yield (table.phase, stage, _step(table, at), name), table, at, cell


def _first_in(lefts: Iterator[_Observed], rights: Iterator[_Observed]) -> Divergence:
    """Return the first observation that differs between two sequences, which are known to
    differ.
    """
    for left, right in zip_longest(lefts, rights):
        if left is None or right is None:
            return _missing(left or right)
        (a, table, row, cell), (b, other, other_row, other_cell) = left, right
        if a != b:
            later_left, later_right = (
                {a, *(observed[0] for observed in lefts)},
                {b, *(observed[0] for observed in rights)},
            )
            return _missing(right if a in later_right and b not in later_left else left)
        if table.cells[row, cell] != other.cells[other_row, other_cell]:
            return difference(*a[1:], table.record(row, cell), other.record(other_row, other_cell))
    raise ValueError("the traces do not differ")


def _missing(observed: _Observed) -> Divergence:
    _, stage, step, name = observed[0]
    return Divergence(stage, step, name, "missing")


def difference(
    stage: str, step: int | None, name: str, left: Tensor | None, right: Tensor | None
) -> Divergence:
    """Return the divergence at an observation whose fingerprints differ; the tensors are None if
    their bytes were not kept.
    """
    if left is None or right is None:
        return Divergence(stage, step, name, "bits")
    if not left.is_like(right):
        return Divergence(stage, step, name, "shape")
    return Divergence(stage, step, name, "bits", _distance(left, right))


def _distance(left: Tensor, right: Tensor) -> Distance | None:
    """Return the distance; None if the bytes cannot be compared, or are equal, which means that the
    fingerprint was wrong.
    """
    comparable = left.dtype != "object" and len(left.elements) == len(right.elements)
    if not comparable or left.elements == right.elements:
        return None
    return distance(left.elements, right.elements, left.dtype)


def compare_finals(left: Trace, right: Trace, name: str) -> Comparison | None:
    """Compare the digests of the final values of two trainings, which are called ``name``; None if
    one has no digest.
    """
    return _compare_digests(name, left.final, right.final)


def compare_fits(left: Trace, right: Trace, name: str) -> Comparison | None:
    """Like :func:`compare_finals`, of what was fitted without training steps; if only one run has
    fitted something, that is a divergence.
    """
    if (left.fitted is None) != (right.fitted is None):
        return Divergence("update", None, name, "missing")
    return _compare_digests(name, left.fitted, right.fitted)


def _compare_digests(name: str, left: str | None, right: str | None) -> Comparison | None:
    if left is None or right is None:
        return None
    return Match(1) if left == right else Divergence("update", None, name, "bits")


def _step(table: Table, row: int) -> int | None:
    return int(table.step[row]) if table.kind == "steps" else None

"""In which steps two runs differ, layer by layer."""

from dataclasses import dataclass

import numpy as np

from detaudit.core.divergence import aligned
from detaudit.core.trace import Column, Table, Trace

MOST_ROWS, MOST_CHARACTERS = 60, 200
EQUAL, DIFFERS, UNRECORDED = "0", "1", "-"
OPTIMIZER = "optimizer"
_CELLS = np.array([EQUAL, DIFFERS, UNRECORDED])


@dataclass(frozen=True)
class LayerSteps:
    """One row of a :class:`StepGrid`: a layer, whose weights a step updates, or another stage of a
    step, whose ``name`` is empty. In ``steps`` each character is a cell.
    """

    stage: str
    name: str
    steps: str


@dataclass(frozen=True)
class StepGrid:
    """The steps that two runs have both made, in causal order.

    A cell stands for ``steps_per_cell`` consecutive steps: ``1`` if something of its row differs in
    one of them, ``0`` if all of it is equal, ``-`` if nothing of it was recorded. ``first_step``,
    counted from 0, is the first that differs, ``first_row`` the first row that differs in it; both
    are None if none does. ``rows_left_out`` further rows differ no earlier than any of these.
    """

    rows: tuple[LayerSteps, ...]
    steps: int
    steps_per_cell: int
    first_row: int | None
    first_step: int | None
    rows_left_out: int


def step_grid(left: Trace, right: Trace) -> StepGrid | None:
    """Compare the fingerprints of all steps; None if the two runs have no step in common."""
    rights = {table.name: table for table in aligned(left, right).step_tables}
    pairs = [
        (table, rights[table.name])
        for table in left.step_tables
        if table.name in rights and rights[table.name].columns == table.columns
    ]
    labels = list(dict.fromkeys(_label(column) for table, _ in pairs for column in table.columns))
    parts = [_cells(table, other, labels) for table, other in pairs]
    if not parts or not labels:
        return None
    order = np.argsort(np.concatenate([sequence for sequence, _ in parts]), kind="stable")
    if not len(order):
        return None
    cells = np.concatenate([values for _, values in parts])[order]
    return _grid(labels, cells)


def _label(column: Column) -> tuple[str, str]:
    """Return the row of an observation: its stage, and of an updated weight the name of its
    layer.
    """
    stage, name = column
    if stage != "update":
        return stage, ""
    if name.startswith(f"{OPTIMIZER}/"):
        return stage, OPTIMIZER
    separator = "/" if "/" in name else "."
    return stage, name.rpartition(separator)[0] or name


def _cells(
    left: Table, right: Table, labels: list[tuple[str, str]]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the sequence numbers of the steps that both tables have, and an index of ``_CELLS``
    for each of these steps and each label.
    """
    both = min(len(left.cells), len(right.cells))
    differ = left.cells[:both] != right.cells[:both]
    found = np.full((both, len(labels)), 2, dtype=np.uint8)
    known = {label: place for place, label in enumerate(labels)}
    places = [known[_label(column)] for column in left.columns]
    for place in dict.fromkeys(places):
        columns = np.flatnonzero(np.array(places) == place)
        found[:, place] = differ[:, columns].any(axis=1)
    return left.sequence[:both], found


def _grid(labels: list[tuple[str, str]], cells: np.ndarray) -> StepGrid:
    differs = cells == 1
    steps = len(cells)
    first_of_each = np.where(differs.any(axis=0), differs.argmax(axis=0), steps)
    kept = np.sort(np.argsort(first_of_each, kind="stable")[:MOST_ROWS])
    per_cell = -(-steps // MOST_CHARACTERS)
    rows = tuple(
        LayerSteps(*labels[row], "".join(_merged(cells[:, row], per_cell))) for row in kept
    )
    left_out = len(labels) - len(kept)
    first = int(first_of_each.min())
    if first == steps:
        return StepGrid(rows, steps, per_cell, None, None, left_out)
    first_row = int(np.argmax(differs[first, kept]))
    return StepGrid(rows, steps, per_cell, first_row, first, left_out)


def _merged(column: np.ndarray, per_cell: int) -> np.ndarray:
    """Return a character for every ``per_cell`` steps."""
    padded = np.full(-(-len(column) // per_cell) * per_cell, 2, dtype=np.uint8)
    padded[: len(column)] = column
    groups = padded.reshape(-1, per_cell)
    recorded = np.where((groups == 0).any(axis=1), 0, 2)
    return _CELLS[np.where((groups == 1).any(axis=1), 1, recorded)]

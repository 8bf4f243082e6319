"""Reading a trace: tables of fingerprints, memory-mapped; the bytes of a tensor where they were
kept.

The format is specified in ``detaudit_probes.protocol``. A trace may come from a child that died: a
last row that is incomplete is left out.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from detaudit_probes import codec, protocol

Column = tuple[str, str]  # (stage, name)
LARGEST_READ = 1 << 20  # bytes of a table that are read at once; a larger one is mapped


@dataclass(frozen=True)
class Table:
    """``cells[i, j]`` is the fingerprint (uint64) of observation ``columns[j]`` in row i.

    ``sequence[i]`` and ``step[i]`` order the rows. A table of events has one column per row:
    ``column[i]`` says which, ``cells`` has one column, and ``step`` is -1. ``origin[i]`` is the
    row's place in the file.
    """

    name: str
    kind: str
    columns: tuple[Column, ...]
    sequence: np.ndarray
    step: np.ndarray
    column: np.ndarray
    cells: np.ndarray
    origin: np.ndarray
    base: Path
    kept: bool

    def label(self, row: int, cell: int) -> Column:
        return self.columns[int(self.column[row])] if self.kind == "events" else self.columns[cell]

    def record(self, row: int, cell: int) -> tuple[str, str, bytes] | None:
        """(dtype, shape, elements) of one observation, or None where its bytes were not kept."""
        if not self.kept:
            return None
        width = 1 if self.kind == "events" else len(self.columns)
        index = int(self.origin[row]) * width + cell
        offset = int(
            np.fromfile(self.base.with_suffix(".at"), dtype="<u8", count=1, offset=8 * index)[0]
        )
        if offset == protocol.NOT_KEPT:
            return None
        with open(self.base.with_suffix(".bytes"), "rb") as file:
            file.seek(offset)
            header = file.read(int.from_bytes(file.read(2), "little")).decode("ascii")
            dtype, _, shape = header.partition("|")
            return dtype, shape, file.read(int.from_bytes(file.read(8), "little"))


@dataclass(frozen=True)
class Trace:
    folder: Path
    document: dict[str, Any]
    tables: tuple[Table, ...]

    @property
    def facts(self) -> dict[str, Any]:
        return self.document["facts"]

    @property
    def evidence(self) -> dict[str, int]:
        return self.document["evidence"]

    @property
    def digests(self) -> dict[str, str]:
        return self.document["digests"]

    @cached_property
    def measures(self) -> protocol.Measures:
        """Raises ProtocolError where the guest has told what it may not."""
        return codec.decode(protocol.Measures, self.document["measures"])

    @cached_property
    def request(self) -> protocol.Request:
        """What the guest was asked for. Raises ProtocolError where that is no request."""
        return codec.decode(protocol.Request, self.document["condition"])

    def observations(self) -> int:
        """How many observations there are, over all tables."""
        return sum(int(table.cells.size) for table in self.tables)

    def steps(self) -> int:
        return sum(len(table.sequence) for table in self.tables if table.kind == "steps")


def read(folder: Path) -> Trace | None:
    """The trace in a trial's folder, or None where the child never began one."""
    path = folder / protocol.TRACE_FILE
    if not path.exists():
        return None
    document = json.loads(path.read_text(encoding="utf-8"))
    return Trace(
        folder, document, tuple(_table(folder, described) for described in _described(folder))
    )


def _described(folder: Path) -> list[dict[str, Any]]:
    """Every table with all of its columns. The last line may be incomplete: no row has come after
    it.
    """
    path = folder / protocol.TABLES_FILE
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []
    found: dict[int, dict[str, Any]] = {}
    for described in map(json.loads, lines):
        known = found.setdefault(described["table"], {**described, "columns": []})
        known["columns"] += described["columns"]
    return list(found.values())


def _table(folder: Path, described: dict[str, Any]) -> Table:
    columns = tuple((column["stage"], column["name"]) for column in described["columns"])
    events = described["kind"] == "events"
    width = 3 if events else 2 + len(columns)
    path = folder / described["file"]
    rows = path.stat().st_size // (8 * width) if path.exists() else 0
    raw = _mapped(path, rows, width)
    one = np.full(rows, -1, dtype=np.int64)
    return Table(
        name=described["name"],
        kind=described["kind"],
        columns=columns,
        sequence=raw[:, 0],
        step=one if events else raw[:, 1].astype(np.int64),
        column=raw[:, 1] if events else one,
        cells=raw[:, 2:],
        origin=np.arange(rows),
        base=path.with_suffix(""),
        kept=bool(described["kept"]),
    )


def _mapped(path: Path, rows: int, width: int) -> np.ndarray:
    """The rows, mapped where they are many. A mapping keeps its file open, and a scan holds
    hundreds of traces.
    """
    if not rows:
        return np.zeros((0, width), dtype="<u8")
    if rows * width * 8 > LARGEST_READ:
        return np.memmap(path, dtype="<u8", mode="r", shape=(rows, width))
    return np.fromfile(path, dtype="<u8", count=rows * width).reshape(rows, width)

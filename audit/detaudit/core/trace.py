"""Reads a trace: memory-mapped tables of fingerprints; the bytes of a tensor if they were kept; and
other files in a trial's folder, when they are requested.

The format is specified in ``detaudit_probes.protocol``. A trace may come from a child that died: an
incomplete last row is ignored. No other module opens a trial's folder.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from detaudit_probes import codec, protocol

from detaudit.core import printed
from detaudit.core.contents import IgnoredPlaces
from detaudit.core.files import read_json
from detaudit.core.notes import StepReplays

Column = tuple[str, str]  # (stage, name)
LARGEST_READ = 1 << 20  # bytes of a table that are read at once; a larger one is mapped

#: A step with other names starts a new table of its phase: "fit 1 (1)" is phase "fit 1".
_NEXT_TABLE = re.compile(r" \(\d+\)$")


class Tensor(NamedTuple):
    """An observed value: its dtype, its shape as ``d0,d1`` (empty for a scalar), and its elements
    in C order, little-endian.
    """

    dtype: str
    shape: str
    elements: bytes

    def is_like(self, other: "Tensor") -> bool:
        """Whether dtype and shape are the same."""
        return self[:2] == other[:2]

    @property
    def size(self) -> int:
        """How many elements it has."""
        return prod(int(length) for length in self.shape.split(",") if length)


class Event(NamedTuple):
    """An observation that is made once: its place in the trial's causal order, its stage, its name,
    and the fingerprint (64 bits) of its value.
    """

    sequence: int
    stage: str
    name: str
    fingerprint: int


@dataclass(frozen=True)
class Table:
    """``cells[i, j]`` is the fingerprint (uint64) of observation ``columns[j]`` in row i.

    ``sequence[i]`` and ``step[i]`` order the rows. A table of events has one column per row:
    ``column[i]`` says which, ``cells`` has one column, and ``step`` is -1. ``origin[i]`` is the
    row's place in the file. A table of fits has the number of the call as its ``step``.
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

    @property
    def phase(self) -> str:
        """The phase of these steps, for example ``fit 1``; several tables may have the same."""
        return _NEXT_TABLE.sub("", self.name)

    def label(self, row: int, cell: int) -> Column:
        if self.kind == "events":
            return self.columns[int(self.column[row])]
        stage, name = self.columns[cell]
        if self.kind == "fits":
            return stage, f"{self.phase} {self.step[row]}: {name}"
        return stage, name

    def events(self, stage: str, name: str | None = None) -> Iterator[Event]:
        """Of a table of events, return those of a stage, and of a ``name`` if one is given, in
        order.
        """
        wanted = [
            place
            for place, column in enumerate(self.columns)
            if column[0] == stage and name in (None, column[1])
        ]
        for row in np.flatnonzero(np.isin(self.column, wanted)):
            label = self.label(row, 0)
            yield Event(int(self.sequence[row]), *label, int(self.cells[row, 0]))

    def record(self, row: int, cell: int) -> Tensor | None:
        """Return one observation, or None if its bytes were not kept."""
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
            return Tensor(dtype, shape, file.read(int.from_bytes(file.read(8), "little")))


@dataclass(frozen=True)
class Trace:
    """The files that one trial has left in its ``folder``. ``document`` is its ``trace.json``.
    ``ignored`` are the values in files, and in what it printed, that are no results;
    ``known_to_train`` says whether other runs of the program make training steps,
    ``known_side_by_side`` whether several threads have trained at once in one.

    The methods below ``digests`` read further files each time they are called; a missing file
    counts as empty.
    """

    folder: Path
    document: dict[str, Any]
    tables: tuple[Table, ...]
    ignored: IgnoredPlaces = field(default_factory=dict)
    known_to_train: bool | None = None
    known_side_by_side: bool = False

    @property
    def fingerprint(self) -> str:
        """The algorithm of all fingerprints, one of ``protocol.FINGERPRINTS``."""
        return self.document["fingerprint"]

    @property
    def facts(self) -> dict[str, Any]:
        return self.document["facts"]

    @property
    def evidence(self) -> dict[str, int]:
        return self.document["evidence"]

    @cached_property
    def measures(self) -> protocol.Measures:
        """The measures. Raises ProtocolError if the guest has sent something invalid."""
        return codec.decode(protocol.Measures, self.document["measures"])

    @cached_property
    def request(self) -> protocol.Request:
        """The request that the guest received. Raises ProtocolError if it is invalid."""
        return codec.decode(protocol.Request, self.document["condition"])

    @property
    def outcome(self) -> dict[str, Any]:
        """The child's own report on how it ended: ``kind`` and, if it failed, why."""
        return self.document["outcome"]

    def observations(self) -> int:
        """The number of observations, over all tables."""
        return sum(int(table.cells.size) for table in self.tables)

    def steps(self) -> int:
        return sum(len(table.sequence) for table in self.step_tables)

    @property
    def step_tables(self) -> tuple[Table, ...]:
        """The tables of steps; none if steps have no order."""
        if self.side_by_side:
            return ()
        return tuple(table for table in self.tables if table.kind == "steps")

    def events(self, stage: str, name: str | None = None) -> Iterator[Event]:
        """Return the observations of a stage that are made once, in the order of the tables and in
        causal order within each; only those called ``name``, if one is given.
        """
        for table in self.tables:
            if table.kind == "events":
                yield from table.events(stage, name)

    # Digests --------------------------------------------------------------------------------------

    @property
    def digests(self) -> dict[str, str]:
        return self.document["digests"]

    @property
    def final(self) -> str | None:
        """The digest of the final weights, or values, of the training; None if there is none."""
        return self.digests.get("final")

    def saved_files(self) -> dict[str, str]:
        """The digest of the arrays in each file that the script has saved, in the order in which
        they were saved. If the files in its folder were read at the end, only of those elsewhere.
        """
        digests = {
            name[len(protocol.SAVED) :]: digest
            for name, digest in self.digests.items()
            if name.startswith(protocol.SAVED)
        }
        read = self.contents.files if self.contents is not None else ()
        if any(one.name != protocol.PRINTED for one in read):
            elsewhere = f"{protocol.OUTSIDE}/"
            digests = {name: one for name, one in digests.items() if name.startswith(elsewhere)}
        order = [name for name in self.measures.saved if name in digests]
        return {name: digests[name] for name in order or sorted(digests)}

    @property
    def fitted(self) -> str | None:
        """The digest of what was fitted without training steps; None if nothing was."""
        return self.digests.get(protocol.FITTED)

    # Further files --------------------------------------------------------------------------------

    @property
    def contents(self) -> protocol.Contents | None:
        """What the program has printed and saved, after the numbers that it has learned without
        training steps; None if that was not read. Raises ProtocolError if the guest has sent
        something invalid.
        """
        read = _contents(self.folder)
        learned = self.measures.learned
        return protocol.Contents((*learned, *read.files)) if read and learned else read

    @property
    def unread(self) -> bool:
        """Whether what the program has printed and saved should have been read, but could not."""
        return self.contents is None and (self.folder / protocol.CONTENTS_REQUEST).exists()

    @property
    def side_by_side(self) -> bool:
        """Whether several threads have trained at once, in this run or another one: then only the
        end of the run is compared.
        """
        return self.known_side_by_side or self.measures.side_by_side

    @property
    def trained(self) -> bool:
        """Whether a training step was observed that changed a weight, in this run or in others of
        the program; if nothing is known of these, of an unrecorded run, whether there are weights
        at its end. False if several threads have trained at once: no step of them is judged.
        """
        if self.side_by_side:
            return False
        if self.known_to_train is not None:
            return self.known_to_train
        if not self.request.orders.record:
            return self.final is not None
        steps = self.measures.steps or self.step_tables
        return bool(steps) and self.measures.moved is not False

    def stdout(self, most: int) -> bytes:
        """Return the first ``most`` bytes that the program has written to its standard output."""
        return printed.beginning(self.folder / protocol.STDOUT_FILE, most)

    def stdout_end(self) -> str:
        """Return the end of what the program has written to its standard output."""
        return printed.end(self.folder / protocol.STDOUT_FILE)

    def stderr_end(self) -> str:
        """Return the end of what the program has written to its standard error."""
        return printed.end(self.folder / protocol.STDERR_FILE)

    def unrecorded_processes(self) -> int:
        """Return how many Python processes that the program has started or forked are not recorded,
        neither here nor in a folder of their own.
        """
        path = self.folder / protocol.PROCESSES_FILE
        numbers = path.read_text().split() if path.exists() else []
        recorded = self.folder / protocol.PROCESSES_FOLDER
        return sum(not (recorded / number).exists() for number in numbers)

    def sites(self) -> protocol.CallSites:
        """Return the lines that drew from the recorded generator, and those that set seeds."""
        document = self.note(protocol.SITES_FILE)
        if document is None:
            return protocol.CallSites((), ())
        sites: protocol.CallSites = codec.decode(protocol.CallSites, document)
        return sites

    def step_replays(self) -> StepReplays:
        """Return the operations of the replayed step."""
        document = self.note(protocol.EVENTS_FILE)
        return StepReplays() if document is None else StepReplays.of(document)

    def note(self, name: str) -> Any:
        """Return the JSON in the file ``name``, which whoever ran the trial may have put there;
        None if there is no such file.
        """
        path = self.folder / name
        return read_json(path) if path.exists() else None


@lru_cache(maxsize=32)
def _decoded(path: Path, changed: int) -> protocol.Contents:
    return codec.decode(protocol.Contents, read_json(path))


def _contents(folder: Path) -> protocol.Contents | None:
    path = folder / protocol.CONTENTS_FILE
    return _decoded(path, path.stat().st_mtime_ns) if path.exists() else None


def read(folder: Path) -> Trace | None:
    """Return the trace in a trial's folder, or None if the child never began one."""
    path = folder / protocol.TRACE_FILE
    if not path.exists():
        return None
    return Trace(
        folder,
        read_json(path),
        tuple(_table(folder, described) for described in _described(folder)),
    )


def _described(folder: Path) -> list[dict[str, Any]]:
    """Return every table with all of its columns. The last line may be incomplete: then no row
    follows it.
    """
    path = folder / protocol.TABLES_FILE
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []
    tables: dict[int, dict[str, Any]] = {}
    for described in map(json.loads, lines):
        known = tables.setdefault(described["table"], {**described, "columns": []})
        known["columns"] += described["columns"]
    return list(tables.values())


def _table(folder: Path, described: dict[str, Any]) -> Table:
    columns = tuple((column["stage"], column["name"]) for column in described["columns"])
    events = described["kind"] == "events"
    width = 3 if events else 2 + len(columns)
    path = folder / described["file"]
    rows = path.stat().st_size // (8 * width) if path.exists() else 0
    raw = _mapped(path, rows, width)
    none = np.full(rows, -1, dtype=np.int64)
    return Table(
        name=described["name"],
        kind=described["kind"],
        columns=columns,
        sequence=raw[:, 0],
        step=none if events else raw[:, 1].astype(np.int64),
        column=raw[:, 1] if events else none,
        cells=raw[:, 2:],
        origin=np.arange(rows),
        base=path.with_suffix(""),
        kept=bool(described["kept"]),
    )


def _mapped(path: Path, rows: int, width: int) -> np.ndarray:
    """Return the rows, mapped if there are many. A mapping keeps its file open, and a scan has
    hundreds of traces.
    """
    if not rows:
        return np.zeros((0, width), dtype="<u8")
    if rows * width * 8 > LARGEST_READ:
        return np.memmap(path, dtype="<u8", mode="r", shape=(rows, width))
    return np.fromfile(path, dtype="<u8", count=rows * width).reshape(rows, width)

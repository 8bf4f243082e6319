"""Writing a trace: the ordered observations of one trial, as append-only tables in a folder.

The format is specified in :mod:`detaudit_probes.protocol`. Rows reach the disk as they are made, so a
child that dies after twelve steps has left twelve steps.
"""
import json
import os
import sys
import threading
from array import array
from typing import Any, BinaryIO, Dict, List, NamedTuple, Optional, Sequence, Tuple

from detaudit_probes import fingerprint, protocol
from detaudit_probes.lanes import OnCard
from detaudit_probes.team import Team

Named = Tuple[str, str, Any]  # (stage, name, value)


def write_json(path: str, document: Any) -> None:
    """Write ``document`` under another name, then rename: a reader never sees half of it."""
    draft = "%s.%d.part" % (path, os.getpid())
    with open(draft, "w", encoding="utf-8") as file:
        json.dump(document, file, sort_keys=True)
    os.replace(draft, path)


class Taken(NamedTuple):
    """A value that was fingerprinted before its row is written: a batch that another thread has loaded.

    ``record`` is its canonical record where tensors' bytes are kept, else empty.
    """

    fingerprint: int
    record: Tuple[bytes, bytes]


class _Table:
    def __init__(self, folder: str, number: int, name: str, kind: str, kept: bool) -> None:
        self.name, self.kind, self.kept = name, kind, kept
        self.columns: List[Tuple[str, str]] = []
        self.places: Dict[Tuple[str, str], int] = {}  # of the columns, for tables of events
        self.base = "%d" % number
        self._rows = self._open(folder, ".rows")
        self._at = self._open(folder, ".at") if kept else None
        self._bytes = self._open(folder, ".bytes") if kept else None
        self._offset = 0

    def _open(self, folder: str, ending: str) -> BinaryIO:
        return open(os.path.join(folder, self.base + ending), "wb", buffering=0)

    def describe(self) -> Dict[str, Any]:
        columns = [{"stage": stage, "name": name} for stage, name in self.columns]
        return {"name": self.name, "kind": self.kind, "file": self.base + ".rows", "columns": columns,
                "kept": self.kept}

    def append(self, row: Sequence[int], records: Sequence[Tuple[bytes, bytes]], keep: bool) -> int:
        """Write one row, and the tensors' bytes where ``keep`` says so; how many bytes of them were kept."""
        before = self._offset
        if self._at is not None and self._bytes is not None:
            offsets, parts = [], []
            for header, data in records:
                if not keep or not header or len(data) > protocol.LARGEST_KEPT:
                    offsets.append(protocol.NOT_KEPT)
                    continue
                offsets.append(self._offset)
                size = len(data).to_bytes(8, "little")
                parts.append(len(header).to_bytes(2, "little") + header + size + data)
                self._offset += len(parts[-1])
            self._bytes.write(b"".join(parts))
            self._at.write(_little(offsets))
        self._rows.write(_little(row))
        return self._offset - before

    def close(self) -> None:
        for file in (self._rows, self._at, self._bytes):
            if file is not None:
                file.close()


def _little(numbers: Sequence[int]) -> bytes:
    packed = array("Q", numbers)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


class TraceWriter:
    """The trace of one trial. ``once`` records what happens once, ``step`` one row of a step table.

    Any thread may call it. A value is copied and fingerprinted at the moment of the call. The columns of a step table
    are those of its first row; a later row that brings other names opens the next table, so that nothing observed is
    ever dropped.
    """

    def __init__(self, folder: str, trial: int, condition: Dict[str, Any], algorithm: str,
                 keep_bytes: bool, keep_from: int = 0, keep_most: Optional[int] = None,
                 team: Optional[Team] = None) -> None:
        """Bytes are kept from the sequence number ``keep_from`` on, ``keep_most`` of them (None: all)."""
        self._folder = folder
        self._hash = fingerprint.Hasher(algorithm, team)
        self._keep, self._keep_from, self._keep_most = keep_bytes, keep_from, keep_most
        self._kept = 0
        self._tables: Dict[str, _Table] = {}
        self._sequence = 0
        self._lock = threading.RLock()
        self._document: Dict[str, Any] = {
            "format": protocol.TRACE_FORMAT, "version": protocol.TRACE_VERSION, "trial": trial,
            "fingerprint": algorithm, "condition": condition, "facts": {}, "tables": [], "evidence": {},
            "digests": {}, "measures": {}, "outcome": {"kind": "running"},
        }
        self.save()

    def save(self) -> None:
        with self._lock:
            self._document["tables"] = [table.describe() for table in self._tables.values()]
            write_json(os.path.join(self._folder, protocol.TRACE_FILE), self._document)

    def note(self, field: str, values: Dict[str, Any]) -> None:
        """Add to one of ``facts``, ``evidence``, ``digests`` or ``measures``."""
        with self._lock:
            self._document[field].update(values)

    def finish(self, outcome: Dict[str, Any]) -> None:
        with self._lock:
            self._document["outcome"] = outcome
            for table in self._tables.values():
                table.close()
            self.save()

    def once(self, stage: str, name: str, value: Any) -> Tuple[bytes, bytes]:
        """Record something that happens once; returns its canonical record."""
        return self.once_each(stage, [(name, value)])[0]

    def once_each(self, stage: str, named: Sequence[Tuple[str, Any]]) -> List[Tuple[bytes, bytes]]:
        """Record several things of one stage, (name, value) in causal order; their canonical records."""
        with self._lock:
            table = self._table("once", "events")
            new = list(dict.fromkeys((stage, name) for name, _ in named if (stage, name) not in table.places))
            if new:
                table.places.update({one: len(table.columns) + place for place, one in enumerate(new)})
                table.columns.extend(new)
                self.save()  # before the rows: a reader must know the columns that they name
            taken = [self._taken(value) for _, value in named]
            for (name, _), one in zip(named, taken):
                self._sequence += 1
                self._append(table, [self._sequence, table.places[stage, name], one.fingerprint], [one.record])
            return [one.record for one in taken]

    def take(self, value: Any) -> Taken:
        """The value's fingerprint now, and its record where bytes are kept. Writes nothing."""
        return self.take_each([value])[0]

    def take_each(self, values: Sequence[Any]) -> List[Taken]:
        """:meth:`take` of several values at once, which a team may share."""
        views = [(value.header, value.lanes) if isinstance(value, OnCard) else fingerprint.canonical_view(value)
                 for value in values]
        return [Taken(mark, self._record(value, view) if self._keep else (b"", b""))
                for mark, view, value in zip(self._hash.all(views), views, values)]

    @staticmethod
    def _record(value: Any, view: Tuple[bytes, Any]) -> Tuple[bytes, bytes]:
        return fingerprint.canonical(value.read()) if isinstance(value, OnCard) else (view[0], bytes(view[1]))

    def step(self, phase: str, step: int, observations: Sequence[Named]) -> List[Tuple[bytes, bytes]]:
        """Record one step: ``observations`` are (stage, name, value or :class:`Taken`) in causal order."""
        columns = [(stage, name) for stage, name, _ in observations]
        with self._lock:
            table = self._step_table(phase, columns)
            taken = [self._taken(value) for _, _, value in observations]
            self._sequence += 1
            records = [one.record for one in taken]
            self._append(table, [self._sequence, step] + [one.fingerprint for one in taken], records)
            return records

    def _taken(self, value: Any) -> Taken:
        if isinstance(value, Taken):
            return value
        if isinstance(value, OnCard):
            return self.take(value)
        record = fingerprint.canonical(value)
        return Taken(self._hash(*record), record)

    def _append(self, table: _Table, row: Sequence[int], records: Sequence[Tuple[bytes, bytes]]) -> None:
        room = self._keep_most is None or self._kept < self._keep_most
        self._kept += table.append(row, records, room and self._sequence >= self._keep_from)

    def _step_table(self, phase: str, columns: List[Tuple[str, str]]) -> _Table:
        number, name = 0, phase
        while True:
            table = self._table(name, "steps")
            if not table.columns:
                table.columns = columns
                self.save()
            if table.columns == columns:
                return table
            number += 1
            name = "%s (%d)" % (phase, number)

    def _table(self, name: str, kind: str) -> _Table:
        found: Optional[_Table] = self._tables.get(name)
        if found is None:
            found = _Table(self._folder, len(self._tables), name, kind, self._keep)
            self._tables[name] = found
        return found

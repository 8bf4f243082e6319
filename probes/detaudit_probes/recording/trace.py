"""Writing a trace: the ordered observations of one trial, as append-only tables in a folder.

The format is specified in :mod:`detaudit_probes.protocol`. Rows are written as they are observed,
so a child that dies after twelve steps has left twelve steps.
"""

import json
import os
import sys
import threading
from array import array
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from detaudit_probes import codec, protocol
from detaudit_probes.recording import fingerprint
from detaudit_probes.recording.on_device import OnCard
from detaudit_probes.recording.thread_team import Team

Named = Tuple[str, str, Any]  # (stage, name, value)

_APPENDING = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
# Taken at import, before a pin can replace them
_open, _write, _close = (
    os.open,
    os.write,
    os.close,
)
_getpid = os.getpid


#: The fields of the document that :meth:`TraceWriter.note` adds to.
FIELDS = ("facts", "evidence", "digests")


def write_json(path: str, document: Any) -> None:
    """Write ``document`` under a temporary name, then rename it: a reader never sees an incomplete
    file.
    """
    draft = "%s.%d.part" % (path, _getpid())
    with open(draft, "w", encoding="utf-8") as file:
        json.dump(document, file, sort_keys=True)
    os.replace(draft, path)


def append(path: str, data: bytes) -> None:
    """Append to a file, which is open only during the call. Other programs do not inherit it."""
    descriptor = _open(path, _APPENDING, 0o600)
    try:
        while data:
            data = data[_write(descriptor, data) :]
    finally:
        _close(descriptor)


class Taken(NamedTuple):
    """A value that is fingerprinted before its row is written: a batch that another thread has
    loaded.

    ``record`` is its canonical record if tensors' bytes are kept, else empty.
    """

    fingerprint: int
    record: Tuple[bytes, bytes]


class _Table:
    """One table and its files. No file stays open: a script may close any descriptor and reuse its
    number.
    """

    def __init__(self, folder: str, number: int, name: str, kind: str, kept: bool) -> None:
        self.number, self.name, self.kind, self.kept = number, name, kind, kept
        self.columns: List[Tuple[str, str]] = []
        self.places: Dict[Tuple[str, str], int] = {}  # the columns' places, for tables of events
        self._path = os.path.join(folder, "%d" % number)
        self._offset = 0

    def describe(self, columns: Sequence[Tuple[str, str]]) -> Dict[str, Any]:
        """Return the table with those of its columns that have not been described before."""
        named = [{"stage": stage, "name": name} for stage, name in columns]
        return {
            "table": self.number,
            "name": self.name,
            "kind": self.kind,
            "file": "%d.rows" % self.number,
            "columns": named,
            "kept": self.kept,
        }

    def append(self, row: Sequence[int], records: Sequence[Tuple[bytes, bytes]], keep: bool) -> int:
        """Write one row, and the tensors' bytes if ``keep``; return how many of their bytes were
        kept.
        """
        before = self._offset
        if self.kept:
            offsets, parts = [], []
            for header, data in records:
                if not keep or not header or len(data) > protocol.LARGEST_KEPT:
                    offsets.append(protocol.NOT_KEPT)
                    continue
                offsets.append(self._offset)
                size = len(data).to_bytes(8, "little")
                parts.append(len(header).to_bytes(2, "little") + header + size + data)
                self._offset += len(parts[-1])
            if parts:
                append(self._path + ".bytes", b"".join(parts))
            append(self._path + ".at", _little(offsets))
        append(self._path + ".rows", _little(row))
        return self._offset - before


def _left_by_another_program(folder: str) -> Tuple[Dict[str, Any], List[Dict[str, Any]]]:
    """Return the document and the tables of a trace that the process began before it replaced
    itself (``exec``).
    """
    try:
        with open(os.path.join(folder, protocol.TRACE_FILE), encoding="utf-8") as file:
            document = json.load(file)
    except FileNotFoundError:
        return {}, []
    path = os.path.join(folder, protocol.TABLES_FILE)
    if not os.path.exists(path):
        return document, []
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")[:-1]  # text after the last newline is an incomplete line
    tables = {}  # type: Dict[int, Dict[str, Any]]
    for described in map(json.loads, lines):
        known = tables.setdefault(described["table"], described)
        if known is not described:
            known["columns"] += described["columns"]
    return document, list(tables.values())


def _last_sequence(folder: str, described: Dict[str, Any]) -> int:
    """Return the sequence number of a table's last complete row."""
    path = os.path.join(folder, described["file"])
    size = 8 * (3 if described["kind"] == "events" else 2 + len(described["columns"]))
    rows = os.path.getsize(path) // size if os.path.exists(path) else 0
    if not rows:
        return 0
    with open(path, "rb") as file:
        file.seek((rows - 1) * size)
        return int.from_bytes(file.read(8), "little")


def _little(numbers: Sequence[int]) -> bytes:
    packed = array("Q", numbers)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


class TraceWriter:
    """The trace of one trial. ``once`` records a single observation, ``step`` one row of a step
    table.

    Any thread may call it. A value is copied and fingerprinted during the call. The columns of a
    step table are those of its first row; a later row with other names starts the next table, so
    that no observation is ever dropped.

    If the process has already begun a trace in this folder as another program, this one continues
    it with further tables. ``earlier`` is the document that the other program left, else empty;
    ``earlier_measures`` are its measures.
    """

    def __init__(
        self,
        folder: str,
        trial: int,
        condition: Dict[str, Any],
        algorithm: str,
        keep_bytes: bool,
        keep_from: int = 0,
        keep_most: Optional[int] = None,
        team: Optional[Team] = None,
    ) -> None:
        """Bytes are kept from the sequence number ``keep_from`` on, at most ``keep_most`` of them
        (None: all).
        """
        self._folder = folder
        self._hash = fingerprint.Hasher(algorithm, team)
        self._keep, self._keep_from, self._keep_most = keep_bytes, keep_from, keep_most
        self._kept = 0
        self._once: Optional[_Table] = None
        # By phase and columns
        self._steps: Dict[Tuple[str, Tuple[Tuple[str, str], ...]], _Table] = {}
        self._of_phase: Dict[str, int] = {}  # how many tables each phase has
        self.earlier, described = _left_by_another_program(folder)
        self._tables = 1 + max([one["table"] for one in described], default=-1)
        self._sequence = max([_last_sequence(folder, one) for one in described], default=0)
        self._program = int(self.earlier.get("program", 0)) + 1
        self._lock = threading.RLock()
        self._document: Dict[str, Any] = {
            "format": protocol.TRACE_FORMAT,
            "version": protocol.TRACE_VERSION,
            "trial": trial,
            "fingerprint": algorithm,
            "condition": condition,
            "program": self._program,
            "outcome": {"kind": "running"},
        }
        self._document.update({field: dict(self.earlier.get(field, {})) for field in FIELDS})
        self.earlier_measures = codec.decode(protocol.Measures, self.earlier.get("measures", {}))
        self._measures = self.earlier_measures
        self.save()

    @property
    def keeps(self) -> bool:
        """Whether tensors' bytes are kept."""
        return self._keep

    def save(self) -> None:
        with self._lock:
            self._document["measures"] = codec.encode(self._measures)
            write_json(os.path.join(self._folder, protocol.TRACE_FILE), self._document)

    def note(self, field: str, values: Dict[str, Any]) -> None:
        """Add to one of ``facts``, ``evidence`` or ``digests``."""
        with self._lock:
            self._document[field].update(values)

    def measure(self, **measures: Any) -> None:
        """Set fields of the :class:`~detaudit_probes.protocol.Measures`. Raises ValueError for
        unknown fields.
        """
        with self._lock:
            self._measures = self._measures._replace(**measures)

    def finish(self, outcome: Dict[str, Any]) -> None:
        with self._lock:
            self._document["outcome"] = outcome
            self.save()

    def once(self, stage: str, name: str, value: Any) -> Tuple[bytes, bytes]:
        """Record a single observation; return its canonical record."""
        return self.once_each(stage, [(name, value)])[0]

    def once_each(self, stage: str, named: Sequence[Tuple[str, Any]]) -> List[Tuple[bytes, bytes]]:
        """Record several observations of one stage, (name, value) in causal order; return their
        canonical records.
        """
        with self._lock:
            if self._once is None:
                self._once = self._table("once", "events")
            table = self._once
            new = list(
                dict.fromkeys(
                    (stage, name) for name, _ in named if (stage, name) not in table.places
                )
            )
            if new:
                table.places.update(
                    {one: len(table.columns) + place for place, one in enumerate(new)}
                )
                self._describe(table, new)
            taken = [self._taken(value) for _, value in named]
            for (name, _), one in zip(named, taken):
                self._sequence += 1
                self._append(
                    table,
                    [self._sequence, table.places[stage, name], one.fingerprint],
                    [one.record],
                )
            return [one.record for one in taken]

    def take(self, value: Any) -> Taken:
        """Fingerprint the value now, and keep its record if bytes are kept. Writes nothing."""
        return self.take_each([value])[0]

    def take_each(self, values: Sequence[Any]) -> List[Taken]:
        """Like :meth:`take` for several values at once; a team may share the work."""
        views = [
            (value.header, value.lanes)
            if isinstance(value, OnCard)
            else fingerprint.canonical_view(value)
            for value in values
        ]
        return [
            Taken(mark, self._record(value, view) if self._keep else (b"", b""))
            for mark, view, value in zip(self._hash.all(views), views, values)
        ]

    @staticmethod
    def _record(value: Any, view: Tuple[bytes, Any]) -> Tuple[bytes, bytes]:
        return (
            fingerprint.canonical(value.read())
            if isinstance(value, OnCard)
            else (view[0], bytes(view[1]))
        )

    def step(
        self, phase: str, step: int, observations: Sequence[Named]
    ) -> List[Tuple[bytes, bytes]]:
        """Record one step: ``observations`` are (stage, name, value or :class:`Taken`) in causal
        order.
        """
        return self._row("steps", phase, step, observations)

    def fit(
        self,
        phase: str,
        number: int,
        data: Sequence[Tuple[str, Any]],
        learned: Sequence[Tuple[str, Any]],
    ) -> None:
        """Record a fit, which is no training step: the ``number`` of its call, its data, and what
        it has learned, (name, value or :class:`Taken`).
        """
        if data:
            rows = [("data", name, value) for name, value in data]
            self._row("data", protocol.DATA_OF + phase, number, rows)
        if learned:
            rows = [("update", name, value) for name, value in learned]
            self._row("fits", phase, number, rows)

    def _row(
        self, kind: str, phase: str, step: int, observations: Sequence[Named]
    ) -> List[Tuple[bytes, bytes]]:
        columns = [(stage, name) for stage, name, _ in observations]
        with self._lock:
            table = self._step_table(kind, phase, columns)
            taken = [self._taken(value) for _, _, value in observations]
            self._sequence += 1
            records = [one.record for one in taken]
            self._append(
                table, [self._sequence, step] + [one.fingerprint for one in taken], records
            )
            return records

    def _taken(self, value: Any) -> Taken:
        if isinstance(value, Taken):
            return value
        if isinstance(value, OnCard):
            return self.take(value)
        record = fingerprint.canonical(value)
        return Taken(self._hash(*record), record)

    def _append(
        self, table: _Table, row: Sequence[int], records: Sequence[Tuple[bytes, bytes]]
    ) -> None:
        room = self._keep_most is None or self._kept < self._keep_most
        self._kept += table.append(row, records, room and self._sequence >= self._keep_from)

    def _step_table(self, kind: str, phase: str, columns: List[Tuple[str, str]]) -> _Table:
        key = phase, tuple(columns)
        table = self._steps.get(key)
        if table is None:
            number = self._of_phase.get(phase, 0)
            table = self._table(phase if not number else "%s (%d)" % (phase, number), kind)
            self._describe(table, columns)
            self._steps[key], self._of_phase[phase] = table, number + 1
        return table

    def named(self, name: str) -> str:
        """Return the name for what this program does, if the process has run another one before."""
        return name if self._program == 1 else "%s, program %d" % (name, self._program)

    def _table(self, name: str, kind: str) -> _Table:
        name = self.named(name)
        self._tables += 1
        return _Table(self._folder, self._tables - 1, name, kind, self._keep)

    def _describe(self, table: _Table, columns: List[Tuple[str, str]]) -> None:
        """Describe the columns before the rows are written, because a reader must know the columns
        first.
        """
        table.columns.extend(columns)
        line = json.dumps(table.describe(columns), sort_keys=True) + "\n"
        append(os.path.join(self._folder, protocol.TABLES_FILE), line.encode("utf-8"))

"""SQLite: every row of every table, in the order of the table."""

import pathlib
import sqlite3
from typing import BinaryIO, Iterator

from detaudit_probes.contents import formats
from detaudit_probes.contents.leaves import array, cell, number
from detaudit_probes.protocol import Leaf


def recognises(name: str, start: bytes) -> bool:
    return start.startswith(b"SQLite format 3\0")


def leaves(file: BinaryIO, name: str) -> Iterator[Leaf]:
    uri = pathlib.Path(formats.path_of(file)).absolute().as_uri() + "?mode=ro&immutable=1"
    connection = sqlite3.connect(uri, uri=True)
    try:
        names = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
        for (table,) in connection.execute(names).fetchall():
            rows = connection.execute('SELECT * FROM "%s"' % table.replace('"', '""'))
            columns = [column[0] for column in rows.description]
            for row, values in enumerate(rows, 1):
                for column, value in zip(columns, values):
                    yield _cell("%s, row %d, %s" % (table, row, column), value)
    finally:
        connection.close()


def _cell(place: str, value: object) -> Leaf:
    if isinstance(value, bytes):
        return array(place, value)
    if isinstance(value, (int, float)):
        return number(place, repr(value))
    return cell(place, str(value))

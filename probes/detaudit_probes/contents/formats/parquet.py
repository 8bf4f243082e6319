"""Parquet: every value of every column, read by pyarrow."""

from typing import BinaryIO, Iterator

from detaudit_probes.contents.leaves import number, text
from detaudit_probes.protocol import Leaf


def recognises(name: str, start: bytes) -> bool:
    return start.startswith(b"PAR1")


def leaves(file: BinaryIO, name: str) -> Iterator[Leaf]:
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(file)
    for column, values in zip(table.column_names, table.columns):
        for row, value in enumerate(values.to_pylist(), 1):
            place = "row %d, %s" % (row, column)
            if isinstance(value, (int, float)):
                yield number(place, repr(value))
            else:
                yield text(place, repr(value))

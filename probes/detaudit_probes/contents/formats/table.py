"""Tables in text: comma or tab separated, each row with as many cells as the first."""

import csv
import io
from typing import BinaryIO, Iterator, List

from detaudit_probes.contents.leaves import cell, number
from detaudit_probes.protocol import NUMBER, Leaf

SEPARATORS = (",", "\t", ";")


def recognises(name: str, start: bytes) -> bool:
    return name.endswith((".csv", ".tsv")) and b"\0" not in start


def leaves(file: BinaryIO, name: str) -> Iterator[Leaf]:
    whole = file.read().decode("utf-8-sig")
    first = whole.split("\n", 1)[0]
    separator = max(SEPARATORS, key=first.count)
    rows: List[List[str]] = list(csv.reader(io.StringIO(whole, newline=""), delimiter=separator))
    heading = rows[0] if rows and not any(_is_number(one) for one in rows[0]) else None
    for place, row in enumerate(rows[heading is not None :], 1):
        for column, value in enumerate(row):
            named = heading is not None and column < len(heading)
            title = heading[column] if heading is not None and named else "column %d" % (column + 1)
            yield cell("row %d, %s" % (place, title), value)
    yield number("rows", str(len(rows)))


def _is_number(value: str) -> bool:
    return cell("", value).kind == NUMBER

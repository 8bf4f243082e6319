"""Text: its lines, as a terminal shows them. A progress bar rewrites its line: the last version
counts.
"""

from typing import BinaryIO, Iterator

from detaudit_probes.contents.leaves import text
from detaudit_probes.protocol import Leaf


def recognises(name: str, start: bytes) -> bool:
    if b"\0" in start:
        return False
    try:
        start[:-4].decode("utf-8")  # the last letter may be cut
    except UnicodeDecodeError as error:
        return error.start >= len(start) - 8
    return True


def leaves(file: BinaryIO, name: str) -> Iterator[Leaf]:
    for place, line in enumerate(file, 1):
        shown = line.decode("utf-8", "surrogateescape").rstrip("\r\n").rpartition("\r")[2]
        yield text("line %d" % place, shown.rstrip())

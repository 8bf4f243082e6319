"""Text: its lines. What is printed counts as a terminal shows it: a progress bar rewrites its line,
and the last version counts.
"""

from typing import BinaryIO, Iterator

from detaudit_probes.contents.leaves import START, text
from detaudit_probes.protocol import PRINTED, Leaf


def recognises(name: str, start: bytes) -> bool:
    if b"\0" in start:
        return False
    try:
        start.decode("utf-8")
    except UnicodeDecodeError as error:
        return len(start) == START and error.start >= len(start) - 8
    return True


def leaves(file: BinaryIO, name: str) -> Iterator[Leaf]:
    for place, line in enumerate(file, 1):
        shown = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
        if name == PRINTED:
            shown = shown.rpartition("\r")[2].rstrip()
        yield text("line %d" % place, shown)

"""Pickles, by their instructions, which are read and never executed (pickletools).

What only numbers objects and frames does not count. joblib puts the bytes of arrays between the
instructions, which cannot be read like this: such a file is compared by its bytes.
"""

import pickletools
from typing import BinaryIO, Iterator, List

from detaudit_probes.contents.leaves import array, number, raw, text
from detaudit_probes.protocol import Leaf

#: Instructions that only say how the others are stored.
STORAGE = frozenset(
    ("PROTO", "FRAME", "MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET")
)


def recognises(name: str, start: bytes) -> bool:
    return start[:1] == b"\x80" and start[1:2] in (b"\2", b"\3", b"\4", b"\5")


def leaves(file: BinaryIO, name: str) -> Iterator[Leaf]:
    structure: List[str] = []
    for place, (opcode, value, _) in enumerate(pickletools.genops(file), 1):
        if opcode.name in STORAGE:
            continue
        structure.append(opcode.name)
        where = "value %d" % place
        if isinstance(value, (bytes, bytearray)):
            yield array(where, value)
        elif isinstance(value, (int, float)) and "EXT" not in opcode.name:
            yield number(where, repr(value))
        elif value is not None:
            yield text(where, str(value))
    yield raw("structure", *structure)

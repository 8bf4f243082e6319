"""NumPy's ``.npy``: a header and the elements of one array (numpy.lib.format)."""

import ast
import struct
from typing import Any, BinaryIO, Iterator

from detaudit_probes.contents.leaves import FEW, array, few, of_file
from detaudit_probes.protocol import Leaf

MAGIC = b"\x93NUMPY"
#: How :mod:`struct` calls the dtypes of arrays that may be times.
LETTERS = {"<f8": "d", "<f4": "f", "<i8": "q", "<i4": "i", "<u8": "Q", "<u4": "I"}


def recognises(name: str, start: bytes) -> bool:
    return start.startswith(MAGIC)


def leaves(file: BinaryIO, name: str) -> Iterator[Leaf]:
    version = file.read(len(MAGIC) + 2)[-2]
    size = int.from_bytes(file.read(2 if version == 1 else 4), "little")
    header: Any = ast.literal_eval(file.read(size).decode("utf-8").strip())
    if "O" in str(header["descr"]):
        from detaudit_probes.contents.formats import pickled

        for leaf in pickled.leaves(file, name):
            yield leaf
        return
    data = b"".join(of_file(file)) if _size(header["shape"]) <= FEW else None
    whole = array("", repr(sorted(header.items())), *(of_file(file) if data is None else [data]))
    letter = LETTERS.get(str(header["descr"]))
    if data is None or letter is None:
        yield whole
        return
    numbers = struct.unpack("<%d%s" % (len(data) // struct.calcsize("<" + letter), letter), data)
    for leaf in few("", list(numbers), whole):
        yield leaf


def _size(shape: Any) -> int:
    size = 1
    for length in shape:
        size *= length
    return size

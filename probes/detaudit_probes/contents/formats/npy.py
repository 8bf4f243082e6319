"""NumPy's ``.npy``: a header and the elements of one array (numpy.lib.format)."""

import ast
from typing import Any, BinaryIO, Iterator

from detaudit_probes.contents.leaves import FEW, array, of_elements, of_file
from detaudit_probes.protocol import Leaf

MAGIC = b"\x93NUMPY"


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
    found = [whole] if data is None else of_elements("", str(header["descr"]), data, whole)
    for leaf in found:
        yield leaf


def _size(shape: Any) -> int:
    size = 1
    for length in shape:
        size *= length
    return size

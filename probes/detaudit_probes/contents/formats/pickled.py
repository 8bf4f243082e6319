"""Pickles, by their instructions, which are read and never executed (pickletools); several in one
file as well.

How objects are numbered and framed does not count, but which of them is meant again does. The
arrays that joblib puts between the instructions are read as arrays.
"""

import datetime
import io
import pickletools
from typing import Any, BinaryIO, Dict, Iterator, List, Optional

from detaudit_probes.contents.formats import joblib_arrays
from detaudit_probes.contents.leaves import array, number, of_elements, raw, text
from detaudit_probes.protocol import Leaf

#: Instructions that only say how the others are stored.
STORAGE = frozenset(("PROTO", "FRAME"))
MEMOIZE = frozenset(("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"))
AGAIN = frozenset(("GET", "BINGET", "LONG_BINGET"))


def recognises(name: str, start: bytes) -> bool:
    return start[:1] == b"\x80" and start[1:2] in (b"\2", b"\3", b"\4", b"\5")


def leaves(file: BinaryIO, name: str) -> Iterator[Leaf]:
    begin = file.tell()  # after the header of an npy file, for example
    arrays = joblib_arrays.find(file)
    file.seek(begin)
    if arrays:
        file = io.BytesIO(joblib_arrays.strip(file.read(), arrays))
    for number_of_array, one in enumerate(arrays, 1):
        place = "array %d" % number_of_array
        if one.name:
            place = "%s (%s)" % (place, one.name)
        whole = array(place, one.dtype, str(one.shape), one.elements)
        yield from of_elements(place, one.dtype, one.elements, whole)
    structure: List[str] = []
    for place, (instruction, value) in enumerate(_instructions(file), 1):
        structure.append(instruction)
        where = "value %d" % place
        if isinstance(value, (bytes, bytearray)):
            moment = _moment(value)
            yield array(where, value) if moment is None else text(where, moment)
        elif isinstance(value, (int, float)) and "EXT" not in instruction:
            yield number(where, repr(value))
        elif value is not None:
            yield text(where, str(value))
    yield raw("structure", *structure)


def _moment(value: bytes) -> Optional[str]:
    """Return the date and time that a ``datetime.datetime`` is pickled as, if the bytes are one."""
    if len(value) != 10:
        return None
    year, micro = value[0] << 8 | value[1], value[7] << 16 | value[8] << 8 | value[9]
    try:
        moment = datetime.datetime(year, *value[2:7], micro)
    except ValueError:
        return None
    return moment.isoformat() if 1970 <= year < 2200 else None


def _instructions(file: BinaryIO) -> Iterator[Any]:
    """Return (name, argument) of every instruction that counts, of all pickles in the file."""
    while True:
        order: Dict[int, int] = {}  # of the remembered objects, by their numbers
        for instruction, value, _ in pickletools.genops(file):
            if instruction.name in MEMOIZE:
                order.setdefault(len(order) if value is None else value, len(order))
            elif instruction.name in AGAIN:
                # Within an array of objects, joblib begins another pickle
                yield instruction.name, "object %d again" % order.get(value, value)
            elif instruction.name not in STORAGE:
                yield instruction.name, value
        if not file.read(1):
            return
        file.seek(-1, 1)

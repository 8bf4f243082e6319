"""HDF5, which Keras writes weights in: its arrays and attributes, read by h5py."""

from typing import Any, BinaryIO, Iterator, List

from detaudit_probes.contents.leaves import FEW, array, cell, few
from detaudit_probes.protocol import Leaf


def recognises(name: str, start: bytes) -> bool:
    return start.startswith(b"\x89HDF\r\n\x1a\n")


def leaves(file: BinaryIO, name: str) -> Iterator[Leaf]:
    import h5py

    with h5py.File(file, "r") as opened:
        found: List[Any] = [opened]
        opened.visititems(lambda _, one: found.append(one))
        for one in found:
            place = one.name.strip("/")
            values = [(place, one[()])] if isinstance(one, h5py.Dataset) else []
            for key in sorted(one.attrs):
                name = "attribute %s" % "/".join(filter(None, (place, key)))
                values.append((name, one.attrs[key]))
            for name, value in values:
                for leaf in _leaves(name, value):
                    yield leaf


def _leaves(place: str, value: Any) -> List[Leaf]:
    import numpy

    value = numpy.asarray(value)
    if value.dtype.kind in "OSU":
        return [cell(place, str(value.tolist()))]
    data = numpy.ascontiguousarray(value).data
    whole = array(place, str(value.dtype), str(value.shape), data)
    small = value.size <= FEW and value.dtype.kind in "fiu"
    return few(place, value.ravel().tolist(), whole) if small else [whole]

"""HDF5, which Keras writes weights in: its arrays and attributes, read by h5py."""

from typing import Any, BinaryIO, Iterator, List

from detaudit_probes.contents.leaves import array, cell
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
            if isinstance(one, h5py.Dataset):
                yield _value(place, one[()])
            for key in sorted(one.attrs):
                yield _value("attribute %s" % "/".join(filter(None, (place, key))), one.attrs[key])


def _value(place: str, value: Any) -> Leaf:
    import numpy

    value = numpy.asarray(value)
    if value.dtype.kind in "OSU":
        return cell(place, str(value.tolist()))
    return array(place, str(value.dtype), str(value.shape), numpy.ascontiguousarray(value).data)

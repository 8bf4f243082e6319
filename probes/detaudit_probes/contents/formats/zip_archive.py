"""Zip archives: ``.npz``, ``.keras``, PyTorch's ``.pt``, and any other. Each member is read by its
content; the times in the archive do not count.
"""

import io
import re
import zipfile
from typing import BinaryIO, Iterator

from detaudit_probes.contents import formats
from detaudit_probes.contents.leaves import array
from detaudit_probes.protocol import Leaf

#: In a file of Keras: the address of an object, and when the file was saved.
NOT_OF_THE_MODEL = ("shared_object_id", "date_saved")
#: In a file of ``torch.save``, the elements of a tensor.
STORAGE = re.compile(r"/data/\d+$")


def recognises(name: str, start: bytes) -> bool:
    return start.startswith(b"PK\x03\x04")


def leaves(file: BinaryIO, name: str) -> Iterator[Leaf]:
    with zipfile.ZipFile(file) as archive:
        members = sorted(archive.namelist())
        of_keras = {"config.json", "metadata.json"} <= set(members)
        of_torch = any(member.endswith("/data.pkl") for member in members)
        for member in members:
            data = archive.read(member)
            place = _place(member, of_torch)
            if of_torch and STORAGE.search(member):
                yield array(place, data)
                continue
            for leaf in formats.inner(member, io.BytesIO(data), place):
                if not (of_keras and leaf.place.endswith(NOT_OF_THE_MODEL)):
                    yield leaf


def _place(member: str, of_torch: bool) -> str:
    """Return the member's name; PyTorch puts all of them in a folder that is called as the file."""
    if of_torch:
        return member.partition("/")[2]
    return member[: -len(".npy")] if member.endswith(".npy") else member

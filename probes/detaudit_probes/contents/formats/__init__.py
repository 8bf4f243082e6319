"""The formats of files, one file each: ``recognises(name, start)`` says whether a file that begins
with these bytes is one, ``leaves(file, name)`` returns what is in it.

To add a format, add a file here and its name to the list. The first that recognises a file reads
it; if that fails, the file is compared by its bytes.
"""

import importlib
import os
from typing import Any, BinaryIO, Iterator, Optional, Sequence

from detaudit_probes.contents.leaves import START, bounded, of_file, raw
from detaudit_probes.protocol import PRINTED, Content, Leaf

NAMES = (
    "npy",
    "zip_archive",
    "h5",
    "sqlite",
    "parquet",
    "gzipped",
    "safetensors",
    "pickled",
    "json_text",
    "table",
    "plain_text",
)
LARGEST = 2 << 30  # bytes of a file whose content is read


def read(name: str, path: str, whole: bool = True) -> Optional[Content]:
    """Return what is in a file; None if there is none, or it may not be read. What a program has
    printed is text. Unless it is to be read as a ``whole``, its bytes are.
    """
    try:
        with open(path, "rb") as file:
            if os.path.getsize(path) > LARGEST:
                return by_bytes(name, file, "it has more than %d GiB" % (LARGEST >> 30))
            if not whole:
                return by_bytes(name, file, "there are too many files")
            return content(name, file, ("plain_text",) if name == PRINTED else NAMES)
    except OSError:
        return None


def content(name: str, file: BinaryIO, names: Sequence[str] = NAMES) -> Content:
    start = file.read(START)
    for known in names:
        module = _format(known)
        if module.recognises(name, start):
            try:
                file.seek(0)
                return Content(name, known, tuple(bounded(module.leaves(file, name))))
            except Exception as error:  # a library's; the file may only resemble this format
                return by_bytes(name, file, "%s: %s" % (type(error).__name__, str(error)[:200]))
    return by_bytes(name, file, "its format is not known")


def by_bytes(name: str, file: BinaryIO, why: str) -> Content:
    file.seek(0)
    return Content(name, "bytes", (raw("", *of_file(file)),), why)


def inner(name: str, file: BinaryIO, place: str) -> Iterator[Leaf]:
    """Return the leaves of a file inside another one."""
    for leaf in content(name, file).leaves:
        between = ", " if place and leaf.place and not leaf.place.startswith("[") else ""
        yield leaf._replace(place=place + between + leaf.place)


def path_of(file: BinaryIO) -> str:
    """Return the path of an open file, for a library that opens it itself. Raises ValueError for a
    file inside another one.
    """
    name = getattr(file, "name", None)
    if not isinstance(name, str) or not os.path.isfile(name):
        raise ValueError("it is inside another file")
    return name


def _format(name: str) -> Any:
    return importlib.import_module("detaudit_probes.contents.formats." + name)

"""Compressed by gzip: the content counts, and not the time in the header."""

import gzip
import io
from typing import BinaryIO, Iterator

from detaudit_probes.contents import formats
from detaudit_probes.protocol import Leaf


def recognises(name: str, start: bytes) -> bool:
    return start.startswith(b"\x1f\x8b")


def leaves(file: BinaryIO, name: str) -> Iterator[Leaf]:
    with gzip.GzipFile(fileobj=file) as inside:
        data = io.BytesIO(inside.read())
    return formats.inner(name[: -len(".gz")] if name.endswith(".gz") else name, data, "")

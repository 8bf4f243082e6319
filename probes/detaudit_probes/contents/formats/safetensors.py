"""Safetensors: a JSON header, and the bytes of each tensor."""

import json
from typing import BinaryIO, Iterator

from detaudit_probes.contents.leaves import array, text
from detaudit_probes.protocol import Leaf


def recognises(name: str, start: bytes) -> bool:
    return start[8:9] == b"{" and start[7:8] == b"\0"  # a header of less than 2**56 bytes


def leaves(file: BinaryIO, name: str) -> Iterator[Leaf]:
    size = int.from_bytes(file.read(8), "little")
    header = json.loads(file.read(size).decode("utf-8"))
    for key, value in sorted(header.pop("__metadata__", {}).items()):
        yield text("metadata %s" % key, str(value))
    for key, tensor in sorted(header.items()):
        begin, end = tensor["data_offsets"]
        file.seek(8 + size + begin)
        yield array(key, tensor["dtype"], str(tensor["shape"]), file.read(end - begin))

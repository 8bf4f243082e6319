"""The parts of a file that are compared: arrays, numbers, texts and bytes, each with its place."""

import hashlib
import struct
from typing import Any, Iterable, Iterator, List

from detaudit_probes.protocol import ARRAY, BYTES, NUMBER, TEXT, Leaf

MOST_LEAVES = 50000  # of one file; the others become one
#: How :mod:`struct` calls the dtypes of arrays that may be times.
LETTERS = {"<f8": "d", "<f4": "f", "<i8": "q", "<i4": "i", "<u8": "Q", "<u4": "I"}
FEW = 64  # elements of an array that are numbers
LONGEST = 2000  # characters of a text that are kept
MOST_TEXT = 1 << 20  # characters of all texts of a file that are kept
BLOCK = 1 << 20
START = 4096  # bytes by which a format is recognised: the last letter of a text may be cut


def array(place: str, *parts: Any) -> Leaf:
    """Return a leaf for an array: its dtype, its shape and its bytes, as texts and buffers."""
    return Leaf(place, ARRAY, digest(parts))


def few(place: str, values: List[Any], whole: Leaf) -> List[Leaf]:
    """Return a leaf for each of a few numbers, which may be times; else ``whole``."""
    if len(values) > FEW or any(one != one or isinstance(one, complex) for one in values):
        return [whole]
    if len(values) == 1:
        return [number(place, repr(values[0]))]
    return [number("%s[%d]" % (place, row), repr(one)) for row, one in enumerate(values)]


def of_elements(place: str, dtype: str, elements: bytes, whole: Leaf) -> List[Leaf]:
    """Return a leaf for each of a few numbers, from the bytes of an array with this ``dtype`` as
    NumPy writes it (``<f8``); else ``whole``.
    """
    letter = LETTERS.get(dtype)
    size = struct.calcsize("<" + letter) if letter is not None else 0
    if letter is None or len(elements) > FEW * size:
        return [whole]
    values = struct.unpack("<%d%s" % (len(elements) // size, letter), elements)
    return few(place, list(values), whole)


def raw(place: str, *parts: Any) -> Leaf:
    """Return a leaf for bytes in a format that is not known."""
    return Leaf(place, BYTES, digest(parts))


def number(place: str, text: str) -> Leaf:
    return Leaf(place, NUMBER, text)


def text(place: str, content: str) -> Leaf:
    """Return a leaf for a text; of a long one, the beginning and a digest."""
    if len(content) > LONGEST:
        content = "%s... (%s)" % (content[:LONGEST], digest([content]))
    return Leaf(place, TEXT, content)


def cell(place: str, content: str) -> Leaf:
    """Return a leaf for a text that may be a number."""
    try:
        float(content)
    except ValueError:
        return text(place, content)
    return number(place, content)


def digest(parts: Iterable[Any]) -> str:
    found = hashlib.blake2b(digest_size=16)
    for part in parts:
        found.update(part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part)
    return found.hexdigest()


def bounded(leaves: Iterator[Leaf]) -> List[Leaf]:
    """Return the first leaves, and one for each kind among the others."""
    kept = []  # type: List[Leaf]
    rest = {}
    room = MOST_TEXT
    for leaf in leaves:
        if len(kept) < MOST_LEAVES and room > 0:
            kept.append(leaf)
            room -= len(leaf.text)
        else:
            state = rest.setdefault(leaf.kind, hashlib.blake2b(digest_size=16))
            state.update(("%s\0%s\0" % (leaf.place, leaf.text)).encode("utf-8", "surrogateescape"))
    return kept + [
        Leaf("after the first %d values" % len(kept), kind, state.hexdigest())
        for kind, state in sorted(rest.items())
    ]


def of_file(file: Any) -> Iterator[bytes]:
    """Return the rest of an open file in blocks."""
    return iter(lambda: file.read(BLOCK), b"")

"""Fingerprints of the bits, dtype and shape of an array: 64 bits, one algorithm per audit."""

import hashlib
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

from detaudit_probes.recording.thread_team import Team


def canonical(value: Any) -> Tuple[bytes, bytes]:
    """Return ``(header, elements)``: ``dtype|d0,d1`` in ASCII and the elements in C order,
    little-endian.

    Accepts anything that NumPy can represent. Strings and objects are written element by element
    with their length, so that ``["ab", ""]`` and ``["a", "b"]`` differ.
    """
    header, elements = canonical_view(value)
    return header, bytes(elements)


def canonical_view(value: Any) -> Tuple[bytes, Any]:
    """Like :func:`canonical`, but without an unnecessary copy: the elements are a buffer that may
    be live memory.
    """
    # Without NumPy, so that it is not imported before a user's script does
    if isinstance(value, str):
        return b"object|", _text(value)
    import numpy

    array = numpy.asarray(value)
    shape = ",".join(str(size) for size in array.shape)
    if array.dtype.kind in "OUS":
        return ("object|" + shape).encode("ascii"), _objects(array)
    if array.dtype.char in "gG" and numpy.finfo(array.dtype).nmant == OF_X87:
        return ("%s|%s" % (array.dtype.name, shape)).encode("ascii"), _without_padding(array)
    if array.dtype.byteorder == ">" or (array.dtype.byteorder == "=" and not numpy.little_endian):
        array = array.astype(array.dtype.newbyteorder("<"))
    # As bytes, because Python's buffers do not support some dtypes (bfloat16).
    elements = numpy.ascontiguousarray(array).reshape(-1).view("uint8")
    return ("%s|%s" % (array.dtype.name, shape)).encode("ascii"), elements.data


def _without_padding(array: Any) -> Any:
    """Return long doubles of an x87 as two doubles each, which hold their 64 bits: its own form has
    bytes between two numbers that nobody has written.
    """
    import numpy

    high = array.astype("complex128" if array.dtype.kind == "c" else "float64")
    low = (array - high).astype(high.dtype)
    return numpy.stack([high, low], axis=-1).reshape(-1).view("uint8").data


def _objects(array: Any) -> bytes:
    return b"".join(map(_text, array.ravel().tolist()))


def _text(item: Any) -> bytes:
    data = item if isinstance(item, bytes) else str(item).encode("utf-8", "surrogatepass")
    return len(data).to_bytes(8, "little") + data


def _xxh3_64(header: bytes, data: Any) -> int:
    import xxhash

    state = xxhash.xxh3_64(header)
    state.update(data)
    return state.intdigest()


def _blake2b_64(header: bytes, data: Any) -> int:
    state = hashlib.blake2b(header, digest_size=8)
    state.update(data)
    return int.from_bytes(state.digest(), "little")


_DIGESTS: Dict[str, Callable[[bytes, Any], int]] = {"xxh3_64": _xxh3_64, "blake2b_64": _blake2b_64}

#: The bits of a long double's mantissa on an x87, without the first.
OF_X87 = 63
#: Bytes. Longer elements are digested in blocks, so that threads can share one tensor.
BLOCK = 1 << 20


class Hasher:
    """Fingerprints by one of the algorithms: the digest of the header and the elements.

    Elements longer than a block are represented by the digests of their blocks, eight little-endian
    bytes each. Raises KeyError for an unknown algorithm.
    """

    def __init__(self, algorithm: str, team: Optional[Team] = None) -> None:
        self._digest, self._team = _DIGESTS[algorithm], team

    def __call__(self, header: bytes, data: Any) -> int:
        return self.all([(header, data)])[0]

    def all(self, records: Sequence[Tuple[bytes, Any]]) -> List[int]:
        """Return the fingerprints of (header, elements); the team shares the work if
        there is one.
        """
        parts: List[Tuple[bytes, Any]] = []
        for header, data in records:
            if len(data) <= BLOCK:
                parts.append((header, data))
            else:
                parts += [
                    (b"", data[start : start + BLOCK]) for start in range(0, len(data), BLOCK)
                ]
        large = sum(len(data) for _, data in parts) > BLOCK  # sharing less is not worthwhile
        digests = iter(
            self._team.map(self._digest, parts)
            if self._team is not None and large
            else [self._digest(*one) for one in parts]
        )
        found = []
        for header, data in records:
            if len(data) <= BLOCK:
                found.append(next(digests))
            else:
                blocks = [next(digests).to_bytes(8, "little") for _ in range(0, len(data), BLOCK)]
                found.append(self._digest(header, b"".join(blocks)))
        return found


def available() -> List[str]:
    """Return the algorithms that this interpreter supports, best first."""
    try:
        import xxhash
    except ImportError:
        return ["blake2b_64"]
    return list(_DIGESTS) if hasattr(xxhash, "xxh3_64") else ["blake2b_64"]


def sha256(records: Iterable[Tuple[bytes, Any]]) -> str:
    """Return one SHA-256 over canonical records, for comparisons across audits."""
    state = hashlib.sha256()
    for header, data in records:
        state.update(len(header).to_bytes(4, "little") + header + len(data).to_bytes(8, "little"))
        state.update(data)
    return state.hexdigest()

"""Fingerprints that are computed on a tensor's device, so that weights do not cross the bus in
every step.

A tensor's bits are taken as 32-bit words in C order: an element of eight bytes as two words, the
low one first, an element of fewer bytes as one word. Each word is mixed with its position by the
finalizer of MurmurHash3 (Austin Appleby, public domain), and the mixed words are summed modulo
2**32. Sums of integers are exact in any order, and a permuted tensor has a different sum. One more
round and a second sum give the second lane. There are two lanes of 32 bits because JAX has no
64-bit integers by default. The trace records the digest of the tensor's header and its two lanes.

An adapter has ``on_card(variable)``, whether its tensor is on a card, and ``lanes(values)``, the
lanes of several tensors at once. :func:`of_array` is the reference for these, and is used if an
array is already on the host.
"""

from typing import Any, Callable, List, NamedTuple, Tuple

#: Bytes of an element, for the dtypes with lanes; tensors of other dtypes are read on the host.
WIDTHS = {
    "float64": 8,
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
    "uint64": 8,
    "uint32": 4,
    "uint16": 2,
    "uint8": 1,
    "bool": 1,
}
#: The weight of a position, and the multipliers of the rounds.
POSITION, FIRST, SECOND, THIRD = 0x9E3779B1, 0x85EBCA6B, 0xC2B2AE35, 0x27D4EB2F
#: How far to the right a mixed word is shifted onto itself: before, between and after the two
#: products of the first lane, and after the one of the second.
SHIFTS = (16, 13, 16, 15)
#: Words that are mixed at once if every operation runs separately and creates a tensor.
BLOCK = 1 << 22


class OnCard(NamedTuple):
    """A tensor that was fingerprinted on its card; ``read()`` returns it as an array, for keeping
    its bytes.
    """

    header: bytes
    lanes: bytes
    read: Callable[[], Any]


def of_variables(backend: Any, variables: List[Any], read: Callable[[Any], Any]) -> List[Any]:
    """Return each variable's content: an :class:`OnCard` if it is on a card, else the array that
    ``read`` returns.

    A tensor that is sparse, is spread over several hosts, or has a dtype without lanes is read as
    well.
    """
    # Asks the variable: reading it would add one operation per variable to every step.
    values = {
        place: backend.tensor(one) for place, one in enumerate(variables) if backend.on_card(one)
    }
    there = [place for place, value in values.items() if backend.dtype_name(value) in WIDTHS]
    found = dict(zip(there, backend.lanes([values[place] for place in there]) if there else []))
    return [
        OnCard(
            header(backend.dtype_name(values[place]), values[place].shape),
            packed(found[place]),
            lambda given=variable: read(given),
        )
        if place in found
        else read(variable)
        for place, variable in enumerate(variables)
    ]


def of_variable(backend: Any, variable: Any, read: Callable[[Any], Any]) -> Any:
    """Like :func:`of_variables` for one variable, but with lanes computed on the host, so that no
    kernel is compiled for its shape only.
    """
    array = read(variable)
    if not backend.on_card(variable) or array.dtype.name not in WIDTHS:
        return array
    return OnCard(header(array.dtype.name, array.shape), packed(of_array(array)), lambda: array)


def header(dtype: str, shape: Any) -> bytes:
    """Return the header as :func:`detaudit_probes.recording.fingerprint.canonical` writes it."""
    return ("%s|%s" % (dtype, ",".join(str(int(size)) for size in shape))).encode("ascii")


def packed(lanes: Tuple[int, int]) -> bytes:
    return b"".join(int(lane).to_bytes(4, "little") for lane in lanes)


def of_array(array: Any) -> Tuple[int, int]:
    """Return the lanes of a NumPy array. Raises KeyError for a dtype without lanes."""
    import numpy

    width = WIDTHS[array.dtype.name]
    words = (
        numpy.ascontiguousarray(array)
        .reshape(-1)
        .view("uint%d" % (8 * min(width, 4)))
        .astype("uint32")
    )
    sums = [0, 0]
    for start in range(0, len(words), BLOCK):
        part = words[start : start + BLOCK]
        places = numpy.arange(start, start + len(part), dtype="uint64").astype("uint32")
        mixed = part + places * numpy.uint32(POSITION)
        for multiplier, shift in zip((FIRST, SECOND), SHIFTS):
            mixed = (mixed ^ (mixed >> numpy.uint32(shift))) * numpy.uint32(multiplier)
        mixed ^= mixed >> numpy.uint32(SHIFTS[2])
        sums[0] += int(mixed.sum(dtype="uint64"))
        mixed = mixed * numpy.uint32(THIRD)
        sums[1] += int((mixed ^ (mixed >> numpy.uint32(SHIFTS[3]))).sum(dtype="uint64"))
    return sums[0] & 0xFFFFFFFF, sums[1] & 0xFFFFFFFF

"""The arrays that joblib writes between the instructions of a pickle, right after those of a
``NumpyArrayWrapper`` (joblib/numpy_pickle.py): where they are, and what type they have.

The instructions are followed without executing anything: no module is imported, and every class and
function is an :class:`Inert` one.
"""

import io
import pickle
from typing import Any, BinaryIO, Iterator, List, NamedTuple, Tuple

WRAPPER = "NumpyArrayWrapper"
LONGEST_NAME = 60
LARGEST = 64 << 20  # bytes of a file that is followed


class EmbeddedArray(NamedTuple):
    """An array: what it is called in a dictionary or an object, if it is there; its first byte in
    the file, how many bytes it has with its padding, and its elements.
    """

    name: str
    start: int
    size: int
    dtype: str  # as NumPy writes it, such as ``<f8``
    shape: Tuple[int, ...]
    elements: bytes


class Inert:
    """An object in a pickle: what it is made of, and nothing that it could do."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.arguments = arguments
        self.state = None  # type: Any

    def __call__(self, *arguments: Any, **named: Any) -> "Inert":
        return Inert(*arguments)

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        """Of a dictionary's subclass."""

    def append(self, value: Any) -> None:
        """Of a list's subclass."""

    def extend(self, values: Any) -> None:
        """Of a list's subclass."""

    def add(self, value: Any) -> None:
        """Of a set's subclass."""


class _Follower(pickle._Unpickler):  # type: ignore[name-defined]
    def __init__(self, file: BinaryIO, found: List[EmbeddedArray]) -> None:
        super().__init__(file)
        self._file, self._found = file, found
        self.dispatch = dict(self.dispatch)
        self.dispatch[pickle.BUILD[0]] = _Follower.build

    def find_class(self, module: str, name: str) -> Any:
        return type(name, (Inert,), {})

    def persistent_load(self, pid: Any) -> Any:
        return Inert(pid)

    def build(self) -> None:
        self.load_build()
        made = self.stack[-1]
        if type(made).__name__ == WRAPPER:
            name = self._key()
            self.stack[-1] = Inert(made)
            self._take(name, made.state)

    def _key(self) -> str:
        """Return the key of the value on top of the stack, if it is in a dictionary; else it would
        be another value, which may be private.
        """
        several = bool(self.metastack and self.metastack[-1]) and len(self.stack) % 2 == 0
        holder = (
            self.metastack[-1][-1] if several else self.stack[-3] if len(self.stack) > 2 else None
        )
        key = self.stack[-2] if isinstance(holder, dict) else ""
        named = isinstance(key, str) and key.isidentifier() and len(key) <= LONGEST_NAME
        return key if named else ""

    def _take(self, name: str, state: Any) -> None:
        dtype, start = state["dtype"], self._file.tell()
        if _code(dtype).startswith("O"):
            _Follower(self._file, self._found).load()  # it is a pickle by itself
            return
        if state.get("numpy_array_alignment_bytes"):
            self._file.read(self._file.read(1)[0])
        count = 1
        for length in state["shape"]:
            count *= length
        elements = self._file.read(count * _size(dtype))
        whole = self._file.tell() - start
        written, shape = dtype.state[1] + _code(dtype), tuple(state["shape"])
        self._found.append(
            EmbeddedArray(name, start, whole, written, shape, _of_fields(elements, dtype))
        )


# A dtype is pickled as ``("f8", False, True)``, and a state: a version, the order of bytes, the
# dtype and shape of an array inside, the names of fields and these with their offsets.


def _code(dtype: Any) -> str:
    return str(dtype.arguments[0])


def _size(dtype: Any) -> int:
    """Return how many bytes an element has; a letter has four."""
    code = _code(dtype)
    return int(code[1:]) * (4 if code.startswith("U") else 1)


def _of_fields(elements: bytes, dtype: Any) -> bytes:
    """Return the bytes of the fields: between two of them may be memory that nobody has written."""
    spans, size = list(_spans(dtype, 0)), _size(dtype)
    if spans == [(0, size)] or not size:
        return elements
    return b"".join(
        elements[start + first : start + first + length]
        for start in range(0, len(elements), size)
        for first, length in spans
    )


def _spans(dtype: Any, offset: int) -> Iterator[Tuple[int, int]]:
    """Yield the first byte and the length of each field, fields within fields included. Raises
    ValueError for objects, which have no bytes.
    """
    if _code(dtype).startswith("O"):
        raise ValueError("objects in a field")
    names, fields = dtype.state[3], dtype.state[4]
    if not names:
        yield offset, _size(dtype)
        return
    for name in names:
        inner, first = fields[name][:2]
        yield from _spans(inner, offset + first)


def find(file: BinaryIO) -> List[EmbeddedArray]:
    """Return the arrays between the instructions of a file, which is read to its end. Raises what
    :mod:`pickle` raises if it is no pickle.
    """
    found = []  # type: List[EmbeddedArray]
    content = io.BytesIO(file.read(LARGEST + 1))
    size = len(content.getvalue())
    if size > LARGEST or WRAPPER.encode("ascii") not in content.getvalue():
        return []
    while content.tell() < size:
        _Follower(content, found).load()
    return found


def strip(content: bytes, arrays: List[EmbeddedArray]) -> bytes:
    """Return the instructions alone."""
    parts, place = [], 0
    for one in arrays:
        parts.append(content[place : one.start])
        place = one.start + one.size
    return b"".join(parts) + content[place:]

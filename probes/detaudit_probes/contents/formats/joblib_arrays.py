"""The arrays that joblib writes between the instructions of a pickle, right after those of a
``NumpyArrayWrapper`` (joblib/numpy_pickle.py): where they are, and what type they have.

The instructions are followed without executing anything: no module is imported, and every class and
function is an :class:`Inert` one.
"""

import io
import pickle
from typing import Any, BinaryIO, List, NamedTuple, Tuple

WRAPPER = "NumpyArrayWrapper"
LONGEST_NAME = 60
LARGEST = 64 << 20  # bytes of a file that is followed


class Between(NamedTuple):
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


class _Following(pickle._Unpickler):  # type: ignore[name-defined]
    def __init__(self, file: BinaryIO, found: List[Between]) -> None:
        super().__init__(file)
        self._file, self._found = file, found
        self.dispatch = dict(self.dispatch)
        self.dispatch[pickle.BUILD[0]] = _Following.build

    def find_class(self, module: str, name: str) -> Any:
        return type(name, (Inert,), {})

    def persistent_load(self, pid: Any) -> Any:
        return Inert(pid)

    def build(self) -> None:
        self.load_build()
        made = self.stack[-1]
        if type(made).__name__ == WRAPPER:
            key = self.stack[-2] if len(self.stack) > 1 else ""
            named = isinstance(key, str) and key.isidentifier() and len(key) <= LONGEST_NAME
            self.stack[-1] = Inert(made)
            self._take(key if named else "", made.state)

    def _take(self, name: str, state: Any) -> None:
        dtype, start = state["dtype"], self._file.tell()
        if _code(dtype).startswith("O"):
            _Following(self._file, self._found).load()  # it is a pickle by itself
            return
        if state.get("numpy_array_alignment_bytes"):
            self._file.read(self._file.read(1)[0])
        count = 1
        for length in state["shape"]:
            count *= length
        elements = self._file.read(count * _size(dtype))
        whole = self._file.tell() - start
        written, shape = dtype.state[1] + _code(dtype), tuple(state["shape"])
        self._found.append(Between(name, start, whole, written, shape, _of_fields(elements, dtype)))


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
    names, fields, size = dtype.state[3], dtype.state[4], _size(dtype)
    if not names or not size:
        return elements
    parts = []
    for start in range(0, len(elements), size):
        for name in names:
            inner, offset = fields[name][:2]
            parts.append(elements[start + offset :][: _size(inner)])
    return b"".join(parts)


def between(file: BinaryIO) -> List[Between]:
    """Return the arrays between the instructions of a file, which is read to its end."""
    found = []  # type: List[Between]
    content = io.BytesIO(file.read(LARGEST + 1))
    size = len(content.getvalue())
    if size > LARGEST or WRAPPER.encode("ascii") not in content.getvalue():
        return []
    while content.tell() < size:
        _Following(content, found).load()
    return found


def without(content: bytes, arrays: List[Between]) -> bytes:
    """Return the instructions alone."""
    parts, place = [], 0
    for one in arrays:
        parts.append(content[place : one.start])
        place = one.start + one.size
    return b"".join(parts) + content[place:]

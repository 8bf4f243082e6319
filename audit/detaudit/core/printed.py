"""The stored output of a program: a short text is unchanged; of a long one the beginning is kept,
compressed, and the end.
"""

import gzip
from pathlib import Path

from detaudit.core.files import end_of

SHORT = 1 << 20  # bytes
MOST = 10_000_000  # bytes of the beginning of a long text that are kept
END = 1 << 16  # bytes of its end
_BLOCK = 1 << 20


def compact(path: Path) -> None:
    """Replace a long text with its beginning and its end. Raises OSError."""
    if not path.is_file() or path.stat().st_size <= SHORT:
        return
    size, left = path.stat().st_size, MOST
    with open(path, "rb") as text, gzip.open(_beginning(path), "wb", compresslevel=1) as kept:
        while left and (block := text.read(min(left, _BLOCK))):
            kept.write(block)
            left -= len(block)
        text.seek(max(0, size - END))
        _end(path).write_bytes(text.read())
    path.unlink()


def beginning(path: Path, most: int) -> bytes:
    """Return the first ``most`` bytes of a text, as far as they are kept; none if there is no
    text.
    """
    if path.exists():
        with open(path, "rb") as file:
            return file.read(most)
    if _beginning(path).exists():
        with gzip.open(_beginning(path), "rb") as file:
            return file.read(most)
    return b""


def end(path: Path) -> str:
    """Return the end of a text, like :func:`detaudit.core.files.end_of`."""
    return end_of(path if path.exists() else _end(path))


def _beginning(path: Path) -> Path:
    return path.with_name(f"{path.name}.gz")


def _end(path: Path) -> Path:
    return path.with_name(f"{path.name}.end")

"""What a program has printed: a short text stays as it is; of a long one the beginning is kept,
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
    """Put the beginning and the end of a long text in its place. Raises OSError."""
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
    """The first ``most`` bytes of a text, as far as they are kept; none where there is no text."""
    if path.exists():
        with open(path, "rb") as file:
            return file.read(most)
    if _beginning(path).exists():
        with gzip.open(_beginning(path), "rb") as file:
            return file.read(most)
    return b""


def end(path: Path) -> str:
    """The end of a text, as :func:`detaudit.core.files.end_of` gives it."""
    return end_of(path if path.exists() else _end(path))


def _beginning(path: Path) -> Path:
    return path.with_name(f"{path.name}.gz")


def _end(path: Path) -> Path:
    return path.with_name(f"{path.name}.end")

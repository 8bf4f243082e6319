"""Standard output and standard error that keep working if the reader, the disk or the terminal
fails.

Output is printed after the report was written, and must not undo it. If the reader has closed the
pipe, the disk is full or the terminal is gone, the rest of the output is dropped, and the command
still exits with its own exit code.
"""

import errno
import io
import os
import sys
from typing import Any, TextIO


class Stream(io.TextIOBase):
    """A text stream that writes to another one. After a ``failure`` it writes nothing more.

    A character that the encoding lacks is written as its escape.
    """

    def __init__(self, inner: TextIO) -> None:
        self._inner = inner
        self.failure: OSError | None = None
        if isinstance(inner, io.TextIOWrapper):
            inner.reconfigure(errors="backslashreplace")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._inner.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self._inner.errors

    def isatty(self) -> bool:
        return self._inner.isatty()

    def fileno(self) -> int:
        return self._inner.fileno()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.failure is None:
            try:
                self._inner.write(text)
            except OSError as error:
                self._give_up(error)
        return len(text)

    def flush(self) -> None:
        if self.failure is None:
            try:
                self._inner.flush()
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Drop what is still buffered, so that nothing fails when the interpreter ends."""
        self.failure = error
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._inner.fileno())
        os.close(null)

    @property
    def reader_is_gone(self) -> bool:
        return self.failure is not None and self.failure.errno == errno.EPIPE


def install() -> Stream:
    """Replace ``sys.stdout`` and ``sys.stderr``; return the new standard output."""
    # A width of 0, as of a terminal that does not know its own, would print nothing at all
    if not os.environ.get("COLUMNS", "1").strip("0"):
        del os.environ["COLUMNS"]
    for descriptor in (0, 1, 2):
        _open_if_closed(descriptor)
    output = Stream(sys.stdout or _null())
    sys.stdout, sys.stderr = output, Stream(sys.stderr or _null())
    return output


def write_file(text: str) -> None:
    """Print the text of a file in UTF-8, whatever the terminal's encoding."""
    encoding = (sys.stdout.encoding or "utf-8").lower().replace("-", "")
    if encoding == "utf8" or not hasattr(sys.stdout, "buffer"):
        sys.stdout.write(text)
        return
    sys.stdout.flush()
    copy = os.dup(sys.stdout.fileno())
    with Stream(open(copy, "w", encoding="utf-8")) as file:
        file.write(text)


def _open_if_closed(descriptor: int) -> None:
    """A command may be started with closed descriptors: then the next opened file, perhaps a pipe,
    would become standard output.
    """
    try:
        os.fstat(descriptor)
    except OSError:
        os.open(os.devnull, os.O_RDWR)


def _null() -> TextIO:
    return open(os.devnull, "w")

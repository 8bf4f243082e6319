"""Small files that processes pass to each other: written whole or not at all, and read from their
end. Pipes and devices that stand for a file: nobody waits for ever at their other end.
"""

import contextlib
import errno
import json
import os
import re
import select
import stat
import threading
import time
from pathlib import Path
from typing import Any

END = 4000  # bytes of what a process has said that are looked at
#: Seconds for which a pipe's other end is waited for: until it is opened, until it goes on.
TO_OPEN, TO_GO_ON = 5.0, 60.0


def replace_file(
    path: Path, content: bytes, durable: bool = False, mode: int | None = None
) -> None:
    """Write a file under another name and rename it: a reader sees the file of before, or the whole
    new one. Where that fails nothing is left behind.

    ``durable``: also after a loss of power, as far as the disk keeps its word; a full disk is told
    before the old file is gone. ``mode``: the permissions of the new file, from its first byte on.
    """
    draft = path.with_name(f".detaudit-{os.getpid()}-{threading.get_ident()}.part")
    file = open(draft, "xb")  # noqa: SIM115 (a draft that is not ours must not be taken away below)
    try:
        with file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise


def write_json(path: Path, document: Any, durable: bool = False) -> None:
    """:func:`replace_file` with ``document``, its keys sorted."""
    replace_file(path, json.dumps(document, sort_keys=True).encode("utf-8"), durable)


def read_json(path: Path) -> Any:
    """The document in a file. Raises OSError, and ValueError where it holds none."""
    return json.loads(path.read_text(encoding="utf-8"))


def end_of(path: Path, most: int = END) -> str:
    """The last whole lines of a file within ``most`` bytes, as text; empty where there is no such
    file. Of a line that is longer by itself, the last whole words: the end of a line may hold a
    secret that only its beginning betrays.
    """
    if not path.exists():
        return ""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - most))
        text = file.read().decode("utf-8", "replace")
    if size <= most:
        return text
    for seam in ("[\r\n]", r"\s"):
        *_, rest = re.split(seam, text, maxsplit=1)
        if rest and rest != text:
            return rest
    return ""


def write_stream(path: Path, content: bytes) -> None:
    """Write to a pipe or a device. Raises OSError, also where nobody reads from it."""
    descriptor = _open_for_reader(path)
    try:
        while content:
            if not select.select([], [descriptor], [], TO_GO_ON)[1]:
                raise TimeoutError(errno.ETIMEDOUT, "its reader stopped reading")
            content = content[os.write(descriptor, content[: select.PIPE_BUF]) :]
    finally:
        os.close(descriptor)


def _open_for_reader(path: Path) -> int:
    deadline = time.monotonic() + TO_OPEN
    while True:
        try:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            if time.monotonic() > deadline:
                raise TimeoutError(errno.ETIMEDOUT, "nobody reads from this pipe") from None
        time.sleep(0.05)


def read_most(path: Path, most: int) -> bytes:
    """The first ``most`` bytes of a file, a pipe or a device. Raises OSError, also where nobody
    writes to it.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    with open(descriptor, "rb", buffering=0) as file:
        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            with open(path, "rb") as whole:
                return whole.read(most)
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        found, patience = b"", TO_OPEN
        while len(found) < most:
            if not poll.poll(1000 * patience):
                said = "its writer stopped writing" if found else "nobody writes to this pipe"
                raise TimeoutError(errno.ETIMEDOUT, said)
            chunk = file.read(most - len(found))
            if not chunk:
                break
            found, patience = found + chunk, TO_GO_ON
        return found

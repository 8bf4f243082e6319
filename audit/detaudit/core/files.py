"""Small files that processes pass to each other: written completely or not at all, and read from
their end.

Pipes and devices in place of a file: nothing waits forever for the process at their other end.
"""

import contextlib
import errno
import json
import os
import re
import select
import shutil
import stat
import threading
import time
from pathlib import Path
from typing import Any

#: Bytes that must be free on a disk for a run.
LEAST_SPACE = 1 << 20
END = 4000  # bytes that are read of a process's output
#: Seconds to wait for the process at a pipe's other end: until it opens the pipe, until it
#: continues.
OPENING_SECONDS, PAUSE_SECONDS = 5.0, 60.0


def replace_file(
    path: Path, content: bytes, durable: bool = False, mode: int | None = None
) -> None:
    """Write a file under another name and rename it: a reader sees the previous file or the whole
    new one.

    If that fails, nothing is left behind. ``durable``: the file also survives a loss of power, as
    far as the disk does what it promises; a full disk is reported before the old file is gone.
    ``mode``: the permissions of the new file, from its first byte on.
    """
    draft = path.with_name(f".detaudit-{os.getpid()}-{threading.get_ident()}.part")
    file = open(draft, "xb")  # noqa: SIM115 (a draft that is not ours must not be removed below)
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


def is_full(place: Path) -> bool:
    """Whether the disk of a folder has too little space for a run."""
    return shutil.disk_usage(place).free < LEAST_SPACE


def write_json(path: Path, document: Any, durable: bool = False) -> None:
    """Call :func:`replace_file` with ``document``, its keys sorted."""
    replace_file(path, json.dumps(document, sort_keys=True).encode("utf-8"), durable)


def read_json(path: Path) -> Any:
    """Return the document in a file. Raises OSError, and ValueError if it contains none."""
    return json.loads(path.read_text(encoding="utf-8"))


def end_of(path: Path, most: int = END) -> str:
    """Return the last whole lines of a file within ``most`` bytes, as text; empty if there is no
    such file.

    Of a single longer line, the last whole words: the end of a line may contain a secret that only
    its beginning identifies.
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
    """Write to a pipe or a device. Raises OSError, also if nobody reads from it."""
    descriptor = _open_for_reader(path)
    try:
        while content:
            if not select.select([], [descriptor], [], PAUSE_SECONDS)[1]:
                raise TimeoutError(errno.ETIMEDOUT, "its reader stopped reading")
            content = content[os.write(descriptor, content[: select.PIPE_BUF]) :]
    finally:
        os.close(descriptor)


def _open_for_reader(path: Path) -> int:
    deadline = time.monotonic() + OPENING_SECONDS
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
    """Return the first ``most`` bytes of a file, a pipe or a device. Raises OSError, also if nobody
    writes to it.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    with open(descriptor, "rb", buffering=0) as file:
        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            with open(path, "rb") as whole:
                return whole.read(most)
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        content, patience = b"", OPENING_SECONDS
        while len(content) < most:
            if not poll.poll(1000 * patience):
                reason = "its writer stopped writing" if content else "nobody writes to this pipe"
                raise TimeoutError(errno.ETIMEDOUT, reason)
            chunk = file.read(most - len(content))
            if not chunk:
                break
            content, patience = content + chunk, PAUSE_SECONDS
        return content

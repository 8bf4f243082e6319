"""Small files that processes pass to each other: written whole or not at all, and read from their
end.
"""

import contextlib
import json
import os
import threading
from pathlib import Path
from typing import Any

END = 4000  # bytes of what a process has said that are looked at


def replace_file(path: Path, content: bytes, durable: bool = False) -> None:
    """Write a file under another name and rename it: a reader sees the file of before, or the whole
    new one. Where that fails nothing is left behind.

    ``durable``: also after a loss of power, as far as the disk keeps its word; a full disk is told
    before the old file is gone.
    """
    draft = path.with_name(f".detaudit-{os.getpid()}-{threading.get_ident()}.part")
    file = open(draft, "xb")  # noqa: SIM115 (a draft that is not ours must not be taken away below)
    try:
        with file:
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
    """The last ``most`` bytes of a file as text; empty where there is no such file."""
    if not path.exists():
        return ""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - most))
        return file.read().decode("utf-8", "replace")

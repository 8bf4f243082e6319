"""Small files that processes pass to each other: written whole or not at all, and read from their
end.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

END = 4000  # bytes of what a process has said that are looked at


def write_json(path: Path, document: Any, durable: bool = False) -> None:
    """Write ``document`` with sorted keys under another name and rename it: a reader sees the file
    of before, or the whole new one.

    ``durable``: also after a loss of power, as far as the disk keeps its word.
    """
    text = json.dumps(document, sort_keys=True)
    draft = path.with_name(path.name + ".part")
    with open(draft, "w", encoding="utf-8") as file:
        file.write(text)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    os.replace(draft, path)


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

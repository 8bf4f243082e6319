"""Writes a report after the work: completely or not at all."""

import os
import re
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from detaudit.core.files import replace_file, write_stream
from detaudit.errors import UsageError
from detaudit.report.escape import visible
from detaudit.report.schema import v1


def to_json(report: v1.Document) -> str:
    """Return the document with sorted keys: equal reports give equal text."""
    return plain_json(report)


def plain_json(value: Any) -> str:
    """Return any JSON value with sorted keys, one entry per line."""
    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=1).decode() + "\n"


def save(path: str | Path, text: str, private: bool = False) -> None:
    """Write ``text`` as UTF-8 to ``path`` atomically: a reader sees the previous file or the whole
    new one.

    If ``private``, only its owner may read it. A link stays a link. Anything but a regular file
    (``/dev/stdout``, a pipe) is written to directly. Raises UsageError if it cannot be written, and
    leaves nothing behind.
    """
    content = text.encode("utf-8", "backslashreplace")
    try:
        if _takes_bytes(Path(path)):  # its target may have no name: the pipe of /dev/stdout
            write_stream(Path(path), content)
        else:
            mode = PRIVATE_MODE if private else None
            _replace(Path(os.path.realpath(path)), content, mode)
    except (OSError, ValueError) as error:
        said = (error.strerror if isinstance(error, OSError) else None) or error
        raise UsageError(
            f"Cannot write {visible(str(path))}: {said}. Name a file in a folder that can be written "
            f"to and has {max(1, len(content) // 1000):,} kB free."
        ) from None


def save_elsewhere(path: str | Path, text: str) -> Path | None:
    """Write ``text`` to a new file in the folder for temporary files, if ``path`` cannot be
    written. Return its path; None if that fails as well.
    """
    name = Path(path)
    try:
        descriptor, place = tempfile.mkstemp(name.suffix, f"{name.stem[:40]}-")
        with open(descriptor, "wb") as file:
            file.write(text.encode("utf-8", "backslashreplace"))
    except OSError:
        return None
    return Path(place)


def check_folder(path: Path) -> None:
    """Raise UsageError if a folder of results certainly cannot be created at ``path``: something
    exists there already, or nothing can be created there.
    """
    name = visible(str(path))
    if path.is_symlink() or (path.exists() and (not path.is_dir() or any(path.iterdir()))):
        raise UsageError(f"--keep needs a new folder: {name} is there already.")
    parents = [path, *Path(os.path.abspath(path)).parents]
    above = next(parent for parent in parents if parent.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise UsageError(f"Cannot make {name}: {visible(str(above))} cannot be written to.")


def check_target(path: str | Path | None) -> None:
    """Raise UsageError if ``save`` would certainly fail: better before a minute of work than after
    it.
    """
    if path is None:
        return
    if str(path) == "-":
        raise UsageError(
            "Cannot write -: it is not a file. Name one, or give /dev/stdout with --quiet."
        )
    if _takes_bytes(Path(path)):
        return
    name = visible(str(path))
    try:
        folder = Path(os.path.realpath(path)).parent
    except FileNotFoundError:  # realpath needs the working folder
        raise UsageError(
            f"Cannot write {name}: the working folder no longer exists. Change to another folder."
        ) from None
    if Path(path).is_dir():
        raise UsageError(f"Cannot write {name}: it is a folder. Name a file.")
    if not folder.is_dir():
        raise UsageError(
            f"Cannot write {name}: its folder does not exist. Make it, or name a file elsewhere."
        )
    if not os.access(folder, os.W_OK) or (Path(path).exists() and not os.access(path, os.W_OK)):
        raise UsageError(f"Cannot write {name}: it is read-only. Name a file elsewhere.")


def refuse_equal(targets: Mapping[str, Path | None]) -> None:
    """Raise UsageError if two options name the same file: one would replace the other's.
    ``targets`` are the options' names, and their files.

    A device may be named more than once.
    """
    options: dict[str, str] = {}
    for option, path in targets.items():
        if path is None or _takes_bytes(path):
            continue
        first = options.setdefault(os.path.realpath(path), option)
        if first != option:
            raise UsageError(
                f"--{first} and --{option} both name {visible(str(path))}. Name two files."
            )


#: For the owner only.
PRIVATE_MODE = 0o600
#: The head of a fix as a file: ``patch`` and ``git apply`` skip what precedes a diff.
FIX_HEADER = "# Written by detaudit run: apply it with patch -p1.\n"
#: Files that detaudit has written begin like this, or contain this (JSON, whose keys are sorted; a
#: program).
BEGINS = {"markdown": b"### detaudit ", "fix": FIX_HEADER.encode()}
CONTAINS = {
    "html": b"<title>detaudit ",
    "json": b'"format": "detaudit.report"',
    "junit": b'<testsuites name="detaudit"',
    "reproducer": b"Written by detaudit",
}
#: The first record of a log.
_LOG = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ detaudit\b")
_LARGEST_OF_OURS = 20_000_000


def refuse_files_of(root: Path, targets: Mapping[str, Path | None]) -> None:
    """Raise UsageError if a target is a file of the program below ``root`` that detaudit did not
    write.
    """
    for kind, path in targets.items():
        target = Path(os.path.realpath(path)) if path is not None else None
        if (
            target is None
            or not target.is_file()
            or not target.is_relative_to(os.path.realpath(root))
        ):
            continue
        if target.stat().st_size and not _is_ours(target, kind):
            raise UsageError(
                f"{visible(str(path))} is a file of the script, not one that detaudit wrote. Name "
                f"another file."
            )


def _is_ours(path: Path, kind: str) -> bool:
    if path.suffix == ".py" and kind != "reproducer":
        return False
    if path.stat().st_size > _LARGEST_OF_OURS:
        return False
    text = path.read_bytes()
    if kind == "log":
        return _LOG.match(text) is not None
    return text.startswith(BEGINS[kind]) if kind in BEGINS else CONTAINS[kind] in text


def _takes_bytes(target: Path) -> bool:
    """Whether it is a device or a pipe, which cannot be replaced."""
    return target.exists() and not target.is_dir() and not stat.S_ISREG(target.stat().st_mode)


def _replace(target: Path, content: bytes, mode: int | None) -> None:
    if target.is_dir():
        raise IsADirectoryError(21, "it is a folder")
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(13, "it is read-only")
    replace_file(target, content, durable=True, mode=mode)

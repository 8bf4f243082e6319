"""Applies a verified fix to the user's own files, if that is asked for."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from detaudit.commands.run import notebooks
from detaudit.commands.run.findings import Fix
from detaudit.errors import UsageError


def apply(root: Path, fix: Fix, allow_dirty: bool) -> list[str]:
    """Change the files below ``root`` as the fix does; return their names.

    Raises UsageError, and changes nothing, if a file is no longer as it was audited, is a link, or
    (unless ``allow_dirty``) has changes that are not committed to git.
    """
    for name, (before, _) in fix.texts.items():
        if notebooks.text_of(root / name) != before:
            raise UsageError(f"The fix was not applied: {name} has changed since it was audited.")
    files = notebooks.put_back({name: after for name, (_, after) in fix.texts.items()}, root)
    for name in files:
        if (root / name).is_symlink():
            raise UsageError(f"The fix was not applied: {name} is a link to another file.")
    dirty = [] if allow_dirty else _uncommitted(root, files)
    if dirty:
        raise UsageError(
            f"The fix was not applied: {', '.join(dirty)} has changes that are not committed. Commit "
            f"them first, or add --allow-dirty."
        )
    _write(root, files)
    return sorted(files)


def _uncommitted(root: Path, names: Iterable[str]) -> list[str]:
    """Return those of the files that differ from their last commit; none outside of git."""
    command = ["git", "-C", str(root), "status", "--porcelain", "-z", "--", *names]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    changed = [line[3:] for line in done.stdout.split("\0") if line]
    return [name for name in names if any(path.endswith(name) for path in changed)]


def _write(root: Path, files: Mapping[str, str]) -> None:
    """Replace each file at once, so that none is ever half written."""
    for name, text in files.items():
        path = root / name
        try:
            _replace(path, text)
        except OSError as error:
            raise UsageError(
                f"The fix was not applied to {name}: {error.strerror or error}."
            ) from None


def _replace(path: Path, text: str) -> None:
    handle, place = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "wb") as file:
            file.write(text.encode("utf-8"))
        shutil.copymode(path, place)
        os.replace(place, path)
    except OSError:
        os.unlink(place)
        raise

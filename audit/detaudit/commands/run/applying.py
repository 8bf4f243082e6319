"""Applies a verified fix to the user's own files, if that is asked for."""

import os
import stat
import subprocess
from collections.abc import Collection
from pathlib import Path

from detaudit.commands.run.findings import Fix
from detaudit.core.files import replace_file
from detaudit.errors import UsageError
from detaudit.execution.program.texts import text_of


def apply(root: Path, fix: Fix, allow_dirty: bool) -> list[str]:
    """Change the files below ``root`` as the fix does; return their names.

    Raises UsageError, and changes nothing, if a file is a link or no longer as it was audited, for
    the reasons of :func:`check`, or if the new texts cannot be written.
    """
    for name, (before, _) in fix.texts.items():
        if text_of(root / name) != before:
            raise UsageError(f"The fix was not applied: {name} has changed since it was audited.")
        if (root / name).is_symlink():
            raise UsageError(f"The fix was not applied: {name} is a link to another file.")
        if not (root / name).stat().st_mode & stat.S_IWUSR:
            raise UsageError(f"The fix was not applied: {name} is read-only.")
    if not allow_dirty:
        check(root, fix.texts.keys())
    texts = {
        root / name: (before.encode("utf-8"), after.encode("utf-8"))
        for name, (before, after) in fix.texts.items()
    }
    changed: list[Path] = []
    for path, (_, after) in texts.items():
        try:
            _write(path, after)
        except OSError as error:
            for other in changed:
                _write(other, texts[other][0])
            said = error.strerror or str(error)
            raise UsageError(f"The fix was not applied: {path.name}: {said}.") from None
        changed.append(path)
    return sorted(fix.texts)


def check(root: Path, names: Collection[str]) -> None:
    """Raise UsageError if git does not hold these files as they are, or cannot say so: then a fix
    would mix with other changes. Nothing is checked outside of a work tree of git.
    """
    inside = _git(root, "rev-parse", "--is-inside-work-tree")
    if inside is None or (inside.returncode and "not a git repository" in inside.stderr):
        return
    options = ["--porcelain", "-z", "--ignored", "--untracked-files=all"]
    status = None if inside.returncode else _git(root, "status", *options, "--", *names)
    if status is None or status.returncode:
        said = (status or inside).stderr.strip()
        raise UsageError(
            f"git cannot say whether {', '.join(names)} has changes that are not committed ({said}): "
            f"add --allow-dirty to apply a fix."
        )
    if status.stdout:
        raise UsageError(
            f"{', '.join(names)} has changes that are not committed to git: commit them, or add "
            f"--allow-dirty to apply a fix."
        )


def _git(root: Path, *words: str) -> subprocess.CompletedProcess[str] | None:
    """Return what git has said; None if it is not installed."""
    command = ["git", "-C", str(root), "--no-optional-locks", "--literal-pathspecs", *words]
    plain = {**os.environ, "LC_ALL": "C"}
    try:
        return subprocess.run(command, capture_output=True, text=True, env=plain, check=False)
    except OSError:
        return None


def _write(path: Path, content: bytes) -> None:
    """Replace a file. One with several names, or of another owner, is overwritten instead: it stays
    the same file.
    """
    status = path.stat()
    if status.st_nlink > 1 or status.st_uid != os.geteuid():
        path.write_bytes(content)
    else:
        replace_file(path, content, durable=True, mode=stat.S_IMODE(status.st_mode))

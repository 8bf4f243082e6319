"""Folders as sandboxes see them: the names below one, what shows that they changed, and how they
are copied.
"""

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from types import MappingProxyType

from detaudit.execution.sandbox import mounts
from detaudit.execution.sandbox.errors import SandboxFailed
from detaudit.execution.sandbox.view import IGNORED

MARGIN = 512 * 2**20  # bytes of the disk that are left free
_CLONE = 0x40049409  # FICLONE of <linux/fs.h>
_NOTHING: Mapping[str, Path] = MappingProxyType({})

State = tuple[int, ...]
FOLDER: State = (stat.S_IFDIR,)


def ignored(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in IGNORED)


def regular(paths: Iterable[Path]) -> Path | None:
    """Return the first of these paths that is a regular file and no link."""
    return next((path for path in paths if path.is_file() and not path.is_symlink()), None)


def entries(root: Path, ours: Path | None = None) -> Iterator[tuple[str, os.stat_result]]:
    """Return the names below ``root``, a folder before its contents, with their own status (of a
    link, not of its target).

    ``ours`` is a folder that is not the user's, although it may be there.
    """
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(
            name
            for name in folders
            if not ignored(name) and os.path.join(folder, name) != str(ours)
        )
        for name in [*folders, *sorted(name for name in files if not ignored(name))]:
            path = os.path.join(folder, name)
            with contextlib.suppress(OSError):
                yield os.path.relpath(path, root), os.lstat(path)


def size_of(root: Path, ours: Path | None = None) -> int:
    """Return the bytes of the files in a copy of ``root``."""
    return sum(status.st_size for _, status in entries(root, ours) if stat.S_ISREG(status.st_mode))


def state(status: os.stat_result) -> State:
    """Return what changes when a file or a link is written to, replaced, or has its mode changed.

    It includes the kernel's own time of change, which no program can set. Of everything else, only
    the type: a pipe or a socket changes by being used, a folder by its contents.
    """
    if stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
        return (
            stat.S_IFMT(status.st_mode),
            status.st_size,
            status.st_mtime_ns,
            status.st_mode,
            status.st_ino,
            status.st_ctime_ns,
        )
    return (stat.S_IFMT(status.st_mode),)


def states(root: Path) -> dict[str, State]:
    """Return the state of every name below ``root``."""
    return {name: state(status) for name, status in entries(root)}


def changes(before: Mapping[str, State], after: Mapping[str, State]) -> tuple[str, ...]:
    """Return names that were created, changed or removed, sorted; of folders, only those that were
    something else.
    """
    names = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    return tuple(
        sorted(
            name
            for name in names
            if {before.get(name, FOLDER), after.get(name, FOLDER)} != {FOLDER}
        )
    )


def copy_tree(
    source: Path,
    target: Path,
    linked: Mapping[str, Path] = _NOTHING,
    moved: bool = True,
    ours: Path | None = None,
) -> list[str]:
    """Copy a folder; return the names that were left out: what is not a file, and what is
    unreadable.

    A file that ``linked`` names becomes a link with this target. If ``moved``, programs will work
    in the copy, so links lead where the copy needs them to (:func:`_leads`); else they are copied
    unchanged. A file that disappears during the copy counts as missing.
    """
    left_out: list[str] = []
    folders: list[tuple[Path, Path]] = [(source, target)]
    target.mkdir(parents=True)
    for name, status in entries(source, ours):
        origin, copy = source / name, target / name
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISDIR(status.st_mode):
                copy.mkdir()
                folders.append((origin, copy))
            elif stat.S_ISLNK(status.st_mode):
                copy.symlink_to(_leads(origin, source, target) if moved else os.readlink(origin))
            elif stat.S_ISREG(status.st_mode) and name in linked:
                copy.symlink_to(linked[name])
            elif not stat.S_ISREG(status.st_mode) or not _copied(origin, copy):
                left_out.append(name)
    for origin, copy in reversed(folders):  # after their contents, which change a folder's time
        with contextlib.suppress(OSError):
            shutil.copystat(origin, copy)
            os.chmod(copy, os.stat(copy).st_mode | 0o700)
    return left_out


def _copied(origin: Path, copy: Path) -> bool:
    """Copy a file; return whether it is readable."""
    try:
        copy_file(origin, copy)
    except PermissionError:
        return False
    return True


def _leads(link: Path, source: Path, target: Path) -> str:
    """Return the target of a link of ``source`` in the copy ``target``: the same place in the copy,
    by whatever path it leads into the folder; its present target if that is elsewhere, or not in
    the copy.
    """
    text = os.readlink(link)
    place = os.path.normpath(link.parent / text)
    inside = _below(place, str(source))
    if inside is not None:
        return str(target / inside) if os.path.isabs(text) else text
    inside = _below(os.path.realpath(link), os.path.realpath(source))
    if inside is not None:
        return str(target / inside)
    return text if os.path.isabs(text) else place


def _below(place: str, root: str) -> Path | None:
    """Return the name below ``root`` of a path in a copy of it."""
    path = Path(place)
    if not path.is_relative_to(root):
        return None
    name = path.relative_to(root)
    return None if any(ignored(part) for part in name.parts) else name


def copy_file(origin: Path, copy: Path) -> None:
    """Copy contents, mode and times; share the blocks if the file system can."""
    with open(origin, "rb") as source:
        descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as target:
            if not _cloned(source.fileno(), target.fileno()):
                _copy_contents(source, target, origin)
    shutil.copystat(origin, copy)


def _copy_contents(source, target, origin: Path) -> None:
    try:
        shutil.copyfileobj(source, target, 2**20)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise SandboxFailed(
            f"the disk is full: {origin} could not be copied to {target.name}"
        ) from None


def _cloned(source: int, target: int) -> bool:
    try:
        import fcntl

        fcntl.ioctl(target, _CLONE, source)
        return True
    except (OSError, ImportError):
        return False


def behind_link(root: Path, name: str) -> bool:
    """Whether the path from ``root`` to a name contains a link: its content may be anywhere."""
    return any((root / parent).is_symlink() for parent in Path(name).parents)


def refuse_behind_links(root: Path, names: Iterable[str]) -> None:
    """Raises SandboxFailed if a file that is to be changed for a trial is not in the folder
    itself.
    """
    for name in names:
        if behind_link(root, name):
            raise SandboxFailed(
                f"{name} is behind a symbolic link: a changed copy of it cannot be tried here."
            )


def remove(folder: Path) -> None:
    """Remove a folder of ours, whatever modes runs have set on its contents."""
    mounts.removable(str(folder))
    shutil.rmtree(folder, ignore_errors=True)

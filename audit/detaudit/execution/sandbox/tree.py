"""Folders as sandboxes see them: which names are below one, what tells that they changed, and how
they are copied.
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


def entries(root: Path, ours: Path | None = None) -> Iterator[tuple[str, os.stat_result]]:
    """Names below ``root``, a folder before what is in it, with their own status (of a link, not of
    its target).

    ``ours`` is a folder that is not the user's, though it may lie there.
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
    """Bytes of the files that a copy of ``root`` would hold."""
    return sum(status.st_size for _, status in entries(root, ours) if stat.S_ISREG(status.st_mode))


def state(status: os.stat_result) -> State:
    """What changes when a file or a link is written to, replaced, or has its mode changed.

    The kernel's own time of change is part of it, which no program can set. Of everything else, the
    type alone: a pipe or a socket changes by being used, a folder by what is in it.
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
    """The state of every name below ``root``."""
    return {name: state(status) for name, status in entries(root)}


def changes(before: Mapping[str, State], after: Mapping[str, State]) -> tuple[str, ...]:
    """Names that were made, changed or removed, sorted; of folders, those alone that were something
    else.
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
    """Copy a folder; the names that were left out: what is no file, and what may not be read.

    A file that ``linked`` names becomes a link to what it says. ``moved``: programs will work in
    the copy, so links lead where the copy needs them to (:func:`_leads`); else their text stays as
    it is. What disappears while it is being copied was not there.
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
    """Copy a file; whether it may be read."""
    try:
        copy_file(origin, copy)
    except PermissionError:
        return False
    return True


def _leads(link: Path, source: Path, target: Path) -> str:
    """What a link of ``source`` says in the copy ``target``: it leads to the same place in the
    copy, by whatever way it leads into the folder; elsewhere, and where the copy holds nothing, to
    what it leads to now.
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
    """The name below ``root`` of what a copy of it holds."""
    path = Path(place)
    if not path.is_relative_to(root):
        return None
    name = path.relative_to(root)
    return None if any(ignored(part) for part in name.parts) else name


def copy_file(origin: Path, copy: Path) -> None:
    """Contents, mode and times; the blocks shared where the file system can."""
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
    """Whether the way from ``root`` to a name leads through a link: what is there may be
    anywhere.
    """
    return any((root / parent).is_symlink() for parent in Path(name).parents)


def refuse_behind_links(root: Path, names: Iterable[str]) -> None:
    """Raises SandboxFailed where a file that a trial is to see changed is not in the folder
    itself.
    """
    for name in names:
        if behind_link(root, name):
            raise SandboxFailed(
                f"{name} is behind a symbolic link: a changed copy of it cannot be tried here."
            )


def remove(folder: Path) -> None:
    """Remove a folder of ours, whatever modes runs have given to what is in it."""
    mounts.removable(str(folder))
    shutil.rmtree(folder, ignore_errors=True)

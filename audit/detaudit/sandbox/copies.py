"""A copy of the user's folder for every trial, where nothing can be mounted: at another path, from one pristine copy.

Small files are copied for each trial. A large one is copied once, into the pristine copy; a trial gets a link to that,
until some trial has changed it: from then on every trial gets a copy of its own. Where the file system can share blocks
(reflinks), every file is cloned. Links keep what they lead to; sockets, pipes and devices are left out, and so is what
may not be read.
"""
import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from types import MappingProxyType

from detaudit.sandbox import mounts
from detaudit.sandbox.errors import SandboxFailed
from detaudit.sandbox.view import COPY, IGNORED, Start, View

LARGE = 64 * 2**20     # bytes: what is as large is linked, not copied
MARGIN = 512 * 2**20   # bytes of the disk that are left free
_CLONE = 0x40049409    # FICLONE of <linux/fs.h>
_COPY = "copy"


@dataclass
class Copies:
    """``store`` is a folder of ours for the pristine copy. ``left_out`` are names that no trial sees."""

    root: Path
    store: Path
    kind: str = field(default=COPY, init=False)
    left_out: tuple[str, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        self._pristine: Path | None = None
        self._kept: Path | None = None
        self._large: dict[str, tuple[int, ...]] = {}  # large files in the pristine copy
        self._own: set[str] = set()  # those of them that some trial has changed
        self._before: dict[Path, dict[str, tuple[int, ...]]] = {}

    def view(self, trial: Path, start: Start) -> View:
        source = self._kept if start.left and self._kept is not None else self._take()
        copy = trial / _COPY / self.root.name
        self._fill(source, copy)
        mounts.prepare(str(copy), start.texts, start.without)
        self._before[trial] = states(copy)
        return View(copy)

    def _take(self) -> Path:
        """The pristine copy, made once."""
        if self._pristine is None:
            needed, free = size_of(self.root), shutil.disk_usage(self.store).free
            if needed + MARGIN > free:
                raise SandboxFailed(f"{self.root} holds {needed >> 20} MiB, too much to copy into {self.store}, which "
                                    f"has {free >> 20} MiB free. Set TMPDIR to a larger disk, or run with --isolation "
                                    f"in-place.")
            self._pristine = self.store / "pristine" / self.root.name
            self.left_out = tuple(sorted(copy_tree(self.root, self._pristine)))
            self._large = {name: state for name, state in states(self._pristine).items() if state[0] >= LARGE}
        return self._pristine

    def _fill(self, source: Path, copy: Path) -> None:
        pristine = self._take()
        linked = self._large.keys() - self._own
        copy_tree(source, copy, {name: pristine / name for name in linked})

    def written(self, trial: Path) -> tuple[str, ...]:
        before, after = self._before[trial], states(trial / _COPY / self.root.name)
        return tuple(sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)))

    def places(self) -> tuple[Path, ...]:
        return ()

    def keep_state(self, trial: Path) -> None:
        self._kept = trial / _COPY / self.root.name

    def discard(self, trial: Path) -> None:
        self._restore_large()
        copy = trial / _COPY / self.root.name
        if copy != self._kept:
            shutil.rmtree(trial / _COPY, ignore_errors=True)
        self._before.pop(trial, None)

    def _restore_large(self) -> None:
        """A trial that wrote through a link has changed the pristine copy, never the user's file: take it anew."""
        pristine = self._take()
        for name, state in self._large.items():
            if name not in self._own and _state(os.lstat(pristine / name)) != state:
                self._own.add(name)
                (pristine / name).unlink()
                copy_file(self.root / name, pristine / name)

    def close(self) -> None:
        if self._pristine is not None:
            shutil.rmtree(self._pristine.parent, ignore_errors=True)


def ignored(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in IGNORED)


def entries(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Names below ``root``, a folder before what is in it, with their own status (of a link, not of its target)."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not ignored(name))
        for name in [*folders, *sorted(name for name in files if not ignored(name))]:
            path = os.path.join(folder, name)
            with contextlib.suppress(OSError):
                yield os.path.relpath(path, root), os.lstat(path)


def size_of(root: Path) -> int:
    """Bytes of the files that a copy of ``root`` would hold."""
    return sum(status.st_size for _, status in entries(root) if stat.S_ISREG(status.st_mode))


def states(root: Path) -> dict[str, tuple[int, ...]]:
    """Every file and link below ``root`` with what changes when it is written to."""
    return {name: _state(status) for name, status in entries(root) if not stat.S_ISDIR(status.st_mode)}


def _state(status: os.stat_result) -> tuple[int, ...]:
    return status.st_size, status.st_mtime_ns, status.st_mode, status.st_ino


def copy_tree(source: Path, target: Path, linked: Mapping[str, Path] = MappingProxyType({})) -> list[str]:
    """Copy a folder; the names that were left out. A file that ``linked`` names becomes a link to what it says."""
    left_out: list[str] = []
    folders: list[tuple[Path, Path]] = [(source, target)]
    target.mkdir(parents=True)
    for name, status in entries(source):
        origin, copy = source / name, target / name
        if stat.S_ISDIR(status.st_mode):
            copy.mkdir()
            folders.append((origin, copy))
        elif stat.S_ISLNK(status.st_mode):
            _copy_link(source, origin, copy)
        elif stat.S_ISREG(status.st_mode):
            try:
                _copy_or_link(origin, copy, linked.get(name))
            except PermissionError:
                left_out.append(name)
        else:
            left_out.append(name)
    for origin, copy in reversed(folders):  # after their contents, which change a folder's time
        with contextlib.suppress(OSError):
            shutil.copystat(origin, copy)
            os.chmod(copy, os.stat(copy).st_mode | 0o700)
    return left_out


def _copy_or_link(origin: Path, copy: Path, substitute: Path | None) -> None:
    if substitute is None:
        copy_file(origin, copy)
    else:
        copy.symlink_to(substitute)


def _copy_link(root: Path, link: Path, copy: Path) -> None:
    """The same link; where it is relative and leads out of the folder, to the same place from the copy."""
    leads = os.readlink(link)
    inside = Path(os.path.normpath(link.parent / leads)).is_relative_to(root)
    copy.symlink_to(leads if inside or os.path.isabs(leads) else os.path.normpath(link.parent / leads))


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
        raise SandboxFailed(f"the disk is full: {origin} could not be copied to {target.name}") from None


def _cloned(source: int, target: int) -> bool:
    try:
        import fcntl

        fcntl.ioctl(target, _CLONE, source)
        return True
    except (OSError, ImportError):
        return False

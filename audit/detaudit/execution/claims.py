"""Folders of ours, each under a lock that the kernel releases when its audit is gone, however it
ended: so a later start knows which audits are alive.

A process id would not do, because another process may have it by then. A folder without the lock's
file is not ours, whatever its name.
"""

import contextlib
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LOCK = "detaudit.lock"
_ATTEMPTS = 100
_LONGEST_PATH = 4096  # bytes


@dataclass
class Claim:
    """``path`` is a folder that no other audit removes while the claim exists.

    ``owner`` is the folder of the audit to which it belongs; empty if it is the audit's own.
    """

    path: Path
    owner: str = ""
    _lock: int | None = None

    def release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def make(prefix: str, place: Path | None = None, owner: str = "") -> Claim:
    """Create and claim a new folder. Raises OSError."""
    for _ in range(_ATTEMPTS):
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
        descriptor = os.open(folder / LOCK, flags, 0o600)
        os.write(descriptor, os.fsencode(owner))
        try:
            if _lock(descriptor):
                return Claim(folder, owner, descriptor)
        except OSError:  # a file system without locks: no start removes anything there
            os.unlink(folder / LOCK)
            os.close(descriptor)
            return Claim(folder, owner)
        os.close(descriptor)  # a start that cleans up was faster
    raise OSError(f"no folder in {place or tempfile.gettempdir()} could be locked")


def take_abandoned(folder: Path) -> Claim | None:
    """Claim a folder of ours whose audit is gone; None if the audit is alive, or the folder is not
    ours.
    """
    path = folder / LOCK
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with contextlib.suppress(OSError):
        status = os.fstat(descriptor)
        is_locked = stat.S_ISREG(status.st_mode) and _lock(descriptor)
        # Another start may have removed the folder before it was locked
        if is_locked and os.path.samestat(status, os.stat(path)):
            return Claim(folder, _owner(descriptor), descriptor)
    os.close(descriptor)
    return None


def take_saved(folder: Path) -> Claim | None:
    """Claim the folder of a saved audit, even if it has no lock yet; None if another audit is using
    it. Raises OSError.
    """
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if _lock(descriptor):
            return Claim(folder, _owner(descriptor), descriptor)
    except OSError:  # a file system without locks
        os.close(descriptor)
        os.unlink(folder / LOCK)
        return Claim(folder)
    os.close(descriptor)
    return None


def own_folders(place: Path, *prefixes: str) -> Iterator[Path]:
    """Yield the folders in ``place`` that contain a lock's file and belong to this user, by
    name.
    """
    with contextlib.suppress(OSError):
        for entry in sorted(os.scandir(place), key=lambda entry: entry.name):
            if entry.name.startswith(prefixes) and _is_ours(Path(entry.path)):
                yield Path(entry.path)


def _is_ours(folder: Path) -> bool:
    try:
        folder_status, lock_status = os.lstat(folder), os.lstat(folder / LOCK)
    except OSError:
        return False
    own = folder_status.st_uid == lock_status.st_uid == os.geteuid()
    return own and stat.S_ISDIR(folder_status.st_mode) and stat.S_ISREG(lock_status.st_mode)


def _owner(descriptor: int) -> str:
    """Return the folder that the lock's file names."""
    return os.fsdecode(os.read(descriptor, _LONGEST_PATH))


def _lock(descriptor: int) -> bool:
    """Take the lock; return whether that succeeded. Raises OSError if the file system has no
    locks.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

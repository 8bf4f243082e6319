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
        lock = os.open(folder / LOCK, flags, 0o600)
        os.write(lock, os.fsencode(owner))
        try:
            if _locked(lock):
                return Claim(folder, owner, lock)
        except OSError:  # a file system without locks: no start removes anything there
            os.unlink(folder / LOCK)
            os.close(lock)
            return Claim(folder, owner)
        os.close(lock)  # a start that cleans up was faster
    raise OSError(f"no folder in {place or tempfile.gettempdir()} could be locked")


def take(folder: Path) -> Claim | None:
    """Claim a folder of ours whose audit is gone; None if the audit is alive, or the folder is not
    ours.
    """
    try:
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with contextlib.suppress(OSError):
        is_file = stat.S_ISREG(os.fstat(lock).st_mode)
        if is_file and _locked(lock) and os.path.samestat(os.fstat(lock), os.stat(folder / LOCK)):
            return Claim(folder, os.fsdecode(os.read(lock, 4096)), lock)
    os.close(lock)
    return None


def take_up(folder: Path) -> Claim | None:
    """Like :func:`take`, for a folder that is ours, even without a lock. Raises OSError."""
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if _locked(lock):
            return Claim(folder, os.fsdecode(os.read(lock, 4096)), lock)
    except OSError:
        os.close(lock)
        os.unlink(folder / LOCK)
        return Claim(folder)
    os.close(lock)
    return None


def of_this_user(place: Path, *prefixes: str) -> Iterator[Path]:
    """Return the folders in ``place`` that contain a lock's file and belong to this user, by
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


def _locked(descriptor: int) -> bool:
    """Take the lock; return whether that succeeded. Raises OSError if the file system has no
    locks.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

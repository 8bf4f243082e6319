"""Runs in the user's folder itself, and a journal by which it is restored: before each run, at the end, after a crash.

The journal is a copy of the folder, outside of it, with the status of every file. It is complete before the first run
starts. It lies where the next start finds it (:func:`journals`), under a lock that the kernel drops when its audit is
gone, however that ended; :func:`recover` then restores what a killed audit has left.
"""
import contextlib
import fcntl
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from detaudit.sandbox import mounts
from detaudit.sandbox.copies import MARGIN, copy_tree, entries, size_of
from detaudit.sandbox.errors import SandboxFailed
from detaudit.sandbox.view import IN_PLACE, Start, View

_RECORD, _CONTENTS, _LOCK = "journal.json", "contents", "lock"


def journals() -> Path:
    """Where journals lie: a folder of the user's that outlives a session, and temporary folders."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return Path(base) / "detaudit" / "journals"


@dataclass
class InPlace:
    """``root`` as it was when the journal was made is what every trial begins from, so no two may run at a time."""

    root: Path
    kind: str = field(default=IN_PLACE, init=False)

    def __post_init__(self) -> None:
        self.journal = Journal.make(self.root)
        self._kept: Path | None = None
        self._written: dict[Path, tuple[str, ...]] = {}

    def view(self, trial: Path, start: Start) -> View:
        self.journal.restore()
        if start.left and self._kept is not None:
            _overwrite(self.root, self._kept)
        mounts.prepare(str(self.root), start.texts, start.without)
        self._before = states(self.root)
        return View(self.root)

    def written(self, trial: Path) -> tuple[str, ...]:
        if trial not in self._written:
            after = states(self.root)
            names = self._before.keys() | after.keys()
            self._written[trial] = tuple(sorted(
                name for name in names if self._before.get(name) != after.get(name)))
        return self._written[trial]

    def places(self) -> tuple[Path, ...]:
        return ()

    def keep_state(self, trial: Path) -> None:
        self._kept = trial / "left"
        copy_tree(self.root, self._kept)

    def discard(self, trial: Path) -> None:
        self.written(trial)
        self.journal.restore()

    def close(self) -> None:
        if self.journal.folder.exists():
            self.journal.restore()
            self.journal.remove()


@dataclass
class Journal:
    """``folder`` holds a copy of ``root`` and the status of each of its files; ``lock`` is an open descriptor."""

    folder: Path
    root: Path
    lock: int

    @classmethod
    def make(cls, root: Path) -> "Journal":
        """Raises SandboxFailed where there is no room for it, or no place."""
        try:
            journals().mkdir(parents=True, exist_ok=True, mode=0o700)
            needed, free = size_of(root), shutil.disk_usage(journals()).free
            if needed + MARGIN > free:
                raise SandboxFailed(f"{root} holds {needed >> 20} MiB, and {journals()}, where it must be kept to be "
                                    f"restored, has {free >> 20} MiB free.")
            folder = Path(tempfile.mkdtemp(dir=journals()))
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left_out = copy_tree(root, folder / _CONTENTS)
        except OSError as error:
            raise SandboxFailed(f"no journal of {root} could be made in {journals()}: {error.strerror}") from None
        files = {name: [stat.S_IMODE(status.st_mode), status.st_mtime_ns]
                 for name, status in [(".", os.lstat(root)), *entries(root)]}
        _write_json(folder / _RECORD, {"root": str(root), "files": files, "left_out": left_out,
                                       "states": states(root, left_out)})
        return cls(folder, root, lock)

    def restore(self) -> tuple[str, ...]:
        """Make ``root`` what it was; the names that were not. What could not be saved is left alone."""
        record = json.loads((self.folder / _RECORD).read_text(encoding="utf-8"))
        saved, left_out = record["files"], set(record["left_out"])
        then = {name: tuple(state) for name, state in record["states"].items()}
        now = states(self.root, left_out)
        folders = {name for name, status in entries(self.root) if stat.S_ISDIR(status.st_mode)}
        changed = {name for name, state in now.items() if state != then.get(name)}
        changed |= folders - saved.keys()
        for name in sorted(changed, reverse=True):  # what is in a folder before the folder
            _remove(self.root / name)
        missing = [name for name in saved if name not in left_out and not os.path.lexists(self.root / name)]
        for name in sorted(missing):
            _put_back(self.folder / _CONTENTS / name, self.root / name)
        for name in sorted(saved.keys() - left_out, reverse=True):
            _set_status(self.root / name, *saved[name])
        if changed or missing:
            # A file that was put back has another number and another time of change: by these it is known now.
            _write_json(self.folder / _RECORD, {**record, "states": states(self.root, left_out)})
        return tuple(sorted({*changed, *missing}))

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self.lock)


def recover() -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Restore the folders of audits that are gone: each folder, and the names that were restored in it."""
    for folder in sorted(journals().glob("*/")) if journals().is_dir() else ():
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # its audit is alive
            os.close(lock)
            continue
        names: tuple[str, ...] = ()
        root = Path()
        if (folder / _RECORD).exists():  # without it no run has been started
            root = Path(json.loads((folder / _RECORD).read_text(encoding="utf-8"))["root"])
            names = Journal(folder, root, lock).restore() if root.is_dir() else ()
        Journal(folder, root, lock).remove()
        if names:
            yield root, names


def states(root: Path, left_out: Iterable[str] = ()) -> dict[str, tuple[int, ...]]:
    """What tells that a file was written to, replaced, or had its mode changed: the kernel's own time of change.

    Of files and links alone: a pipe or a socket changes by being used.
    """
    return {name: _state(status) for name, status in entries(root)
            if (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)) and name not in left_out}


def _state(status: os.stat_result) -> tuple[int, ...]:
    return status.st_size, status.st_mtime_ns, status.st_mode, status.st_ino, status.st_ctime_ns


def _overwrite(root: Path, contents: Path) -> None:
    """Bring what an earlier run has left into ``root``."""
    left, present = dict(entries(contents)), dict(entries(root))
    for name in sorted(present.keys() - left.keys(), reverse=True):
        _remove(root / name)
    for name, status in left.items():
        same = name in present and present[name].st_mtime_ns == status.st_mtime_ns
        if stat.S_ISDIR(status.st_mode):
            (root / name).mkdir(exist_ok=True)
        elif not same or present[name].st_size != status.st_size:
            _remove(root / name)
            _put_back(contents / name, root / name)


def _set_status(path: Path, mode: int, modified: int) -> None:
    """Only where it is another one: setting it changes the time of change."""
    with contextlib.suppress(OSError):
        status = os.lstat(path)
        if stat.S_IMODE(status.st_mode) != mode and not stat.S_ISLNK(status.st_mode):
            os.chmod(path, mode)
        if status.st_mtime_ns != modified:
            os.utime(path, ns=(status.st_atime_ns, modified), follow_symlinks=False)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _put_back(saved: Path, path: Path) -> None:
    if saved.is_symlink():
        path.symlink_to(os.readlink(saved))
    elif saved.is_dir():
        path.mkdir(exist_ok=True)
    elif saved.exists():
        shutil.copy2(saved, path)


def _write_json(path: Path, document: object) -> None:
    draft = path.with_name(path.name + ".part")
    with open(draft, "w", encoding="utf-8") as file:
        json.dump(document, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)

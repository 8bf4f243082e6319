"""Runs in the user's folder itself, which is restored from a journal: before each run, at the end,
and after a crash.

The journal is a copy of the folder, outside of it, with the status of every name. It is complete
before the first run starts. It is stored where the next start finds it (:func:`journals`), under a
lock that the kernel releases when its audit is gone, however it ended; :func:`recover` then
restores the folder of a killed audit.

The folder is the user's, who may work in it meanwhile. So files that replace a saved file, or are
new, are moved into the journal before anything is restored. There they are removed if they are a
run's own: they changed while a trial was running, and are not saved files, or are saved files that
the first two trials changed. Everything else is kept.
"""

import contextlib
import errno
import fcntl
import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from detaudit.core.files import read_json, write_json
from detaudit.execution.sandbox import mounts, tree
from detaudit.execution.sandbox.errors import SandboxFailed
from detaudit.execution.sandbox.tree import State, behind_link, copy_tree, entries, regular
from detaudit.execution.sandbox.view import IN_PLACE, Start, View

# Seconds after the last sign of life of an audit: no run of it still writes; changes are the user's
LATE = 60.0
_BEAT = 5.0  # seconds between signs of life
_RECORD, _ASIDE_RECORD, _ROOT = "journal.json", "aside.json", "root"
_CONTENTS, _ASIDE, _REPLACED, _SAVED, _SCRATCH = "contents", "aside", "replaced", "saved", "scratch"
_LOCK, _ALIVE = "lock", "alive"
_DRAFT = ".detaudit-part"


def journals() -> Path:
    """Return the folder of journals: one of the user's, which outlives sessions and temporary
    folders.
    """
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(
        os.path.expanduser("~"), ".local", "state"
    )
    return Path(base) / "detaudit" / "journals"


class Restored(NamedTuple):
    """The result of restoring the folder of a killed audit.

    ``names`` were restored in ``root``. The files that had replaced them are in ``where``, in
    numbered folders; None if there were none. ``left`` are names that changed long after that
    audit, so by the user: they are unchanged, and their saved versions are in ``where``, in the
    folder ``saved``. ``problem`` says why the folder could not be restored, and where its journal
    is; the next :func:`recover` tries again.
    """

    root: Path
    names: tuple[str, ...]
    where: Path | None
    left: tuple[str, ...] = ()
    problem: str = ""


@dataclass
class InPlace:
    """Every trial starts with ``root`` as it was when the journal was made, so no two may run at a
    time.

    After the sandbox is closed, ``replaced`` is the folder of files that the user may have changed
    during the audit; None if there are none.
    """

    root: Path
    kind: str = field(default=IN_PLACE, init=False)
    replaced: Path | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.journal = Journal.make(self.root)
        self._kept: Path | None = None
        self._unread: set[str] = set()  # names that the kept state does not contain
        self._before: dict[Path, dict[str, State]] = {}  # the running trial
        self._written: dict[Path, tuple[str, ...]] = {}
        self._habits: set[str] = set()  # saved files that runs change
        self._edits: dict[
            str, Path
        ] = {}  # others that changed while a trial was running, as they were last
        self._pulse = _Pulse(self.journal)
        self._pulse.start()

    def view(self, trial: Path, start: Start) -> View:
        _refuse_ours_below(self.root, trial)
        for earlier in tuple(self._before):
            self.discard(earlier)
        self._restore(keep=True)
        try:
            if start.left and self._kept is not None:
                self.journal.overwrite(self._kept, self._unread)
            tree.refuse_behind_links(self.root, start.texts)
            self.journal.set_aside([*start.without, *self.journal.unsaved(start.texts)])
            mounts.prepare(str(self.root), start.texts, ())
        except OSError as error:
            raise SandboxFailed(f"{self.root} could not be prepared for a run: {error}") from error
        self._before[trial] = tree.states(self.root)
        return View(self.root)

    def written(self, trial: Path) -> tuple[str, ...]:
        if trial not in self._written:
            self._written[trial] = tree.changes(self._before[trial], tree.states(self.root))
        return self._written[trial]

    def find(self, trial: Path, name: str) -> Path | None:
        return regular([self.root / name])

    def find_kept(self, name: str) -> Path | None:
        return regular([self._kept / name] if self._kept is not None else [])

    def places(self) -> tuple[Path, ...]:
        return ()

    def keep_state(self, trial: Path) -> Path:
        former, self._kept = self._kept, trial / "left"
        if former is not None:
            tree.remove(former)
        self._unread = set(copy_tree(self.root, self._kept, moved=False))
        write_json(self._kept.with_suffix(".unread"), sorted(self._unread))
        return self._kept

    def begin_from(self, state: Path, written: Collection[str]) -> None:
        self._kept, self._unread = state, set(read_json(state.with_suffix(".unread")))

    def discard(self, trial: Path) -> None:
        batch, names = self.journal.batch(), self.written(trial)
        edits = self.journal.saved_files(names) - self._habits
        self._restore(keep=False, edits=edits)
        self._learn({name: batch / name for name in edits if os.path.lexists(batch / name)})
        self._before.pop(trial, None)

    def _learn(self, edits: dict[str, Path]) -> None:
        """Saved files that the first two trials change are the program's own output: they are not
        kept.
        """
        if len(self._written) == 2:
            self._habits |= self._edits.keys() & edits.keys()
        for name, place in edits.items():
            if name in self._edits:
                self._edits[name].unlink(missing_ok=True)
            self._edits[name] = place
        for name in self._habits & self._edits.keys():
            self._edits.pop(name).unlink(missing_ok=True)

    def _restore(self, keep: bool, edits: Collection[str] = ()) -> None:
        try:
            self.journal.restore(keep, edits)
        except OSError as error:
            raise SandboxFailed(
                f"{self.root} could not be restored: {error}. Its journal, {self.journal.folder}, is "
                f"kept, and the next `detaudit run` tries again."
            ) from error

    def close(self, keep: bool = False) -> None:
        """Restore the folder and close the sandbox. Raises SandboxFailed, and keeps the journal, if
        the folder cannot be restored.
        """
        if not self.journal.folder.exists():
            return
        try:
            for trial in tuple(self._before):
                self.discard(trial)
            self._restore(keep=True)
            self._pulse.stop()
            self.replaced = self.journal.end()
        finally:
            self._pulse.stop()
            self.journal.release()
            if self._kept is not None and not keep:
                tree.remove(self._kept)


class _Pulse:
    """Writes signs of life to a journal, because a killed audit cannot record when it was
    killed.
    """

    def __init__(self, journal: "Journal") -> None:
        self._journal, self._ended = journal, threading.Event()
        self._thread = threading.Thread(target=self._beat, name="detaudit journal", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._ended.wait(_BEAT):
            self._journal.touch()


class Entry(NamedTuple):
    """A name as it was, with its owner and group."""

    state: State
    mode: int
    modified: int
    owner: int
    group: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Entry":
        return cls(
            tree.state(status),
            stat.S_IMODE(status.st_mode),
            status.st_mtime_ns,
            status.st_uid,
            status.st_gid,
        )

    @property
    def type(self) -> int:
        return self.state[0]

    def is_state(self, status: os.stat_result) -> bool:
        return self.state == tree.state(status)


@dataclass
class Journal:
    """``folder`` contains a copy of ``root`` and the status of each of its names; ``lock`` is an
    open descriptor.
    """

    folder: Path
    root: Path
    lock: int | None

    @classmethod
    def make(cls, root: Path) -> "Journal":
        """Create a journal. Raises SandboxFailed if there is no space or place for it, or the
        folder has a journal already.
        """
        root, journal = Path(os.path.realpath(root)), None
        _refuse_ours_below(root, journals())
        try:
            journals().mkdir(parents=True, exist_ok=True, mode=0o700)
            needed, free = tree.size_of(root), shutil.disk_usage(journals()).free
            if needed + tree.MARGIN > free:
                raise SandboxFailed(
                    f"{root} contains {needed >> 20} MiB, and {journals()}, where a copy must be kept to "
                    f"restore it, has {free >> 20} MiB free."
                )
            with _registry():
                _refuse_overlap(root)
                folder = Path(tempfile.mkdtemp(dir=journals()))
                journal = cls(folder, root, os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600))
                fcntl.flock(journal.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                (folder / _ROOT).write_bytes(os.fsencode(root))
            journal._save()
        except OSError as error:
            if journal is not None:
                journal.remove()
            raise SandboxFailed(
                f"no journal of {root} could be made in {journals()}: {error.strerror}"
            ) from None
        except SandboxFailed:
            if journal is not None:
                journal.remove()
            raise
        return journal

    def _save(self) -> None:
        # The states come first: a file that changes while it is copied is restored as it was
        # copied.
        names = {".": Entry.of(os.lstat(self.root))}
        names |= {name: Entry.of(status) for name, status in entries(self.root)}
        copy_tree(self.root, self.folder / _CONTENTS, moved=False)
        unsaved = [
            name
            for name, entry in names.items()
            if entry.type != stat.S_IFIFO and not os.path.lexists(self.folder / _CONTENTS / name)
        ]
        self.touch()
        self._write(names, unsaved)

    def _write(self, names: dict[str, Entry], unsaved: Iterable[str]) -> None:
        write_json(
            self.folder / _RECORD,
            {
                "root": str(self.root),
                "device": os.lstat(self.root).st_dev,
                "parent_device": os.lstat(self.root.parent).st_dev,
                "names": names,
                "unsaved": list(unsaved),
            },
            durable=True,
        )

    def _read(self) -> tuple[dict[str, Entry], set[str]]:
        record = read_json(self.folder / _RECORD)
        names = {
            name: Entry(tuple(fields[0]), *fields[1:]) for name, fields in record["names"].items()
        }
        return names, set(record["unsaved"])

    def touch(self) -> None:
        """Write a sign of life."""
        with contextlib.suppress(OSError):
            (self.folder / _ALIVE).touch()

    def unsaved(self, names: Iterable[str]) -> list[str]:
        """Return those of ``names`` that the journal does not contain."""
        saved, unsaved = self._read()
        return [name for name in names if name not in saved or name in unsaved]

    def saved_files(self, names: Iterable[str]) -> set[str]:
        """Return those of ``names`` that are files, and were when the journal was made."""
        saved, _ = self._read()
        files = {name for name in names if name in saved and saved[name].type == stat.S_IFREG}
        return {
            name
            for name in files
            if (self.root / name).is_file() and not (self.root / name).is_symlink()
        }

    # Names that are hidden from a trial
    # ------------------------------------------------------------

    def set_aside(self, names: Iterable[str]) -> None:
        """Move names out of the folder, whole, until the next :meth:`restore`: their contents may
        not be saved.

        Raises SandboxFailed if they cannot be moved, and are not saved.
        """
        aside = self._aside()
        (self.folder / _ASIDE).mkdir(exist_ok=True)
        for name in sorted(
            {os.path.normpath(name) for name in names}
        ):  # a folder before its contents
            path = self.root / name
            if behind_link(self.root, name) or not os.path.lexists(path):
                continue
            aside.append((name, os.lstat(path.parent).st_mtime_ns))
            # First, so that a name that was moved is never unknown.
            write_json(self.folder / _ASIDE_RECORD, aside, durable=True)
            try:
                os.rename(path, self.folder / _ASIDE / str(len(aside) - 1))
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                if not self._is_saved(name):
                    raise SandboxFailed(
                        f"{path} cannot be moved away for a run: {self.folder} is on another disk. "
                        f"Set XDG_STATE_HOME to a folder on the disk of {self.root}."
                    ) from None
                _remove(path)

    def _aside(self) -> list[tuple[str, int]]:
        path = self.folder / _ASIDE_RECORD
        return [(name, modified) for name, modified in read_json(path)] if path.exists() else []

    def _is_saved(self, name: str) -> bool:
        """Whether the name, with everything in it, is saved as it is now."""
        saved, unsaved = self._read()
        names = {name: os.lstat(self.root / name)}
        for folder, folders, files in os.walk(self.root / name):
            paths = [os.path.join(folder, below) for below in (*folders, *files)]
            names |= {os.path.relpath(path, self.root): os.lstat(path) for path in paths}
        return all(
            below in saved and below not in unsaved and saved[below].is_state(status)
            for below, status in names.items()
        )

    def overwrite(self, contents: Path, unread: Iterable[str]) -> None:
        """Copy what an earlier run has left into the folder; ``unread`` is what ``contents`` could
        not contain.
        """
        left, present = dict(entries(contents)), dict(entries(self.root))
        stay = {
            name
            for name in present
            if name in unread or (name in left and _alike(present[name], left[name]))
        }
        self.set_aside(present.keys() - stay)
        for name in left:
            if not os.path.lexists(self.root / name):
                _put_back(contents / name, self.root / name)

    # Restoring ------------------------------------------------------------------------------------

    def restore(
        self, keep: bool, edits: Collection[str] = (), until: float | None = None
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Restore ``root``. Return the names that had changed, and those of them that were left as
        they are.

        What could not be saved is unchanged, and so is what changed after ``until``, in seconds
        since the epoch. Names that must go are moved into the journal; ``keep`` all of them there,
        or only ``edits``. Raises OSError.
        """
        if until is None:
            self.touch()
        saved, unsaved = self._read()
        self._open(saved)
        scratch = self.folder / _SCRATCH
        if scratch.exists():  # of a restore that was interrupted
            batch = self.batch()
            batch.parent.mkdir(exist_ok=True)
            os.rename(scratch, batch)
        aside, batch = self._aside(), self.batch()
        moved = [name for number, (name, _) in enumerate(aside) if self._is_aside(number)]
        for name in moved:
            if os.path.lexists(self.root / name) and not behind_link(self.root, name):
                self._take_away(name, batch if keep else scratch, keep)
        now = dict(entries(self.root))
        changed = {
            name
            for name, status in now.items()
            if name not in unsaved and (name not in saved or not saved[name].is_state(status))
        }
        changed -= _returned(changed, now, saved, until)
        left = _late(changed, now, until)
        taken = _topmost(changed - left)
        for name in taken:
            kept = keep or name in edits
            self._take_away(name, batch if kept else scratch, kept)
        missing, blocked = [], []
        for name in sorted(saved.keys() - unsaved):
            if not os.path.lexists(self.root / name) and not _under(name, moved):
                (blocked if _blocked(self.root, name) else missing).append(name)
        for name in missing:
            self._put_back(name, saved[name])
        left |= set(blocked)
        self._return_aside(aside)
        self._set_statuses(saved, unsaved, left)
        if left:
            self._keep_saved(left)
        if taken or missing or moved:
            # A file that was moved or created again has a different inode and time of change: these
            # identify it now.
            for name in {*missing, *moved} & saved.keys():
                saved[name] = saved[name]._replace(state=tree.state(os.lstat(self.root / name)))
            self._write(saved, unsaved)
        tree.remove(scratch)
        (self.folder / _ASIDE_RECORD).unlink(missing_ok=True)
        return tuple(sorted({*changed, *missing, *moved} - left)), tuple(sorted(left))

    def _open(self, saved: dict[str, Entry]) -> None:
        """Create the folder again if it is gone, and make its contents visible."""
        if os.path.lexists(self.root) and (self.root.is_symlink() or not self.root.is_dir()):
            raise NotADirectoryError(errno.ENOTDIR, "it is no longer a folder", str(self.root))
        self.root.mkdir(exist_ok=True)
        for name in sorted(name for name, entry in saved.items() if entry.state == tree.FOLDER):
            path = self.root / name
            if (
                path.is_dir()
                and not path.is_symlink()
                and not os.access(path, os.R_OK | os.W_OK | os.X_OK)
            ):
                with contextlib.suppress(OSError):
                    os.chmod(path, saved[name].mode | 0o700)

    def batch(self) -> Path:
        """Return the folder in which the next restore keeps what it removes; it does not exist
        yet.
        """
        replaced = self.folder / _REPLACED
        numbers = [int(path.name) for path in replaced.glob("[0-9]*")]
        return replaced / str(max(numbers, default=0) + 1)

    def _is_aside(self, number: int) -> bool:
        return os.path.lexists(self.folder / _ASIDE / str(number))

    def _take_away(self, name: str, batch: Path, keep: bool) -> None:
        path, place = self.root / name, batch / name
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.rename(path, place)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            kind = stat.S_IFMT(os.lstat(path).st_mode)
            if keep and kind in (stat.S_IFREG, stat.S_IFLNK, stat.S_IFDIR):
                shutil.move(path, place)
            else:
                _remove(path)

    def _put_back(self, name: str, entry: Entry) -> None:
        if entry.type == stat.S_IFIFO:
            os.mkfifo(self.root / name)
        else:
            _put_back(self.folder / _CONTENTS / name, self.root / name)

    def _return_aside(self, aside: list[tuple[str, int]]) -> None:
        for number, (name, _) in enumerate(aside):
            if self._is_aside(number):
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                os.rename(self.folder / _ASIDE / str(number), self.root / name)
        for name, modified in reversed(aside):
            _set_modified((self.root / name).parent, modified)

    def _set_statuses(self, saved: dict[str, Entry], unsaved: set[str], left: set[str]) -> None:
        alone = left | {str(parent) for name in left for parent in Path(name).parents}
        for name in sorted(
            saved.keys() - unsaved - alone, reverse=True
        ):  # the contents of a folder before the folder
            if not _under(name, left):
                _set_status(self.root / name, saved[name])
                _set_modified(self.root / name, saved[name].modified)
        for name in saved.keys() & unsaved - alone:
            _set_status(self.root / name, saved[name])

    def _keep_saved(self, names: Iterable[str]) -> None:
        """Keep the saved files whose names keep the user's version."""
        for name in sorted(names):
            origin, place = self.folder / _CONTENTS / name, self.folder / _REPLACED / _SAVED / name
            if os.path.lexists(origin) and (origin.is_symlink() or not origin.is_dir()):
                place.parent.mkdir(parents=True, exist_ok=True)
                os.rename(origin, place)

    def died(self) -> float:
        """Return the last sign of life, in seconds since the epoch."""
        return (self.folder / _ALIVE).stat().st_mtime

    def trouble(self) -> str:
        """Return why the folder cannot be restored now; empty if it can be tried."""
        record = read_json(self.folder / _RECORD)
        if not self.root.parent.is_dir():
            return f"{self.root.parent} does not exist"
        if not os.path.lexists(self.root):
            known = os.lstat(self.root.parent).st_dev == record["parent_device"]
            return "" if known else f"{self.root.parent} is on another disk than before"
        unmounted = os.lstat(self.root).st_dev != record["device"] and not os.listdir(self.root)
        return f"{self.root} is empty, and on another disk than before" if unmounted else ""

    def end(self) -> Path | None:
        """Remove the journal of a restored folder; return where files from the folder are kept, if
        there are any.
        """
        kept = None
        replaced = self.folder / _REPLACED
        if any(path.is_symlink() or not path.is_dir() for path in replaced.rglob("*")):
            kept = journals().parent / _REPLACED / self.folder.name
            kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.rename(replaced, kept)
        self.remove()
        return kept

    def remove(self) -> None:
        tree.remove(self.folder)
        self.release()

    def release(self) -> None:
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None


def recover() -> Iterator[Restored]:
    """Restore the folders of audits that are gone. A folder without changes is not mentioned."""
    for folder in sorted(journals().glob("*/")) if journals().is_dir() else ():
        journal = _claimed(folder)
        if journal is None:
            continue
        try:
            restored = _recovered(journal)
        except (OSError, SandboxFailed, ValueError, KeyError, TypeError) as error:
            restored = _failed(journal, str(error))
        finally:
            journal.release()
        if restored.names or restored.left or restored.problem:
            yield restored


def _recovered(journal: Journal) -> Restored:
    if not (journal.folder / _RECORD).exists():  # no run was started
        journal.remove()
        return Restored(journal.root, (), None)
    trouble = journal.trouble()
    if trouble:
        return _failed(journal, trouble)
    names, left = journal.restore(keep=True, until=journal.died() + LATE)
    return Restored(journal.root, names, journal.end(), left)


def _failed(journal: Journal, why: str) -> Restored:
    problem = (
        f"{journal.root} could not be restored: {why}. Its journal is kept in {journal.folder}."
    )
    return Restored(journal.root, (), None, (), problem)


@contextlib.contextmanager
def _registry() -> Iterator[None]:
    """Only one process at a time creates a journal or takes one over."""
    descriptor = os.open(journals().parent / "journals.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _claimed(folder: Path) -> Journal | None:
    """Return the journal in a folder, locked; None if its audit is alive."""
    with _registry():
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR)
        except OSError:
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return None
    return Journal(folder, _root_of(folder), lock)


def _root_of(folder: Path) -> Path:
    try:
        return Path(os.fsdecode((folder / _ROOT).read_bytes()))
    except OSError:
        return Path()


def _refuse_ours_below(root: Path, folder: Path) -> None:
    """Raises SandboxFailed if a folder of ours is inside the one that is restored."""
    if Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(root)):
        raise SandboxFailed(
            f"{folder}, which detaudit uses, is in {root}: runs cannot work in that folder "
            f"itself. Set XDG_STATE_HOME and TMPDIR to folders outside it."
        )


def _refuse_overlap(root: Path) -> None:
    """Raises SandboxFailed if there is another journal of this folder, of one inside it, or of one
    that contains it.
    """
    for folder in journals().glob("*/"):
        other = _root_of(folder)
        if other == Path() or not (other.is_relative_to(root) or root.is_relative_to(other)):
            continue
        with contextlib.suppress(OSError), open(folder / _LOCK, "rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise SandboxFailed(
                    f"another audit is running in {other} itself: wait until it ends, or leave out "
                    f"--isolation in-place."
                ) from None
            if (folder / _RECORD).exists():
                raise SandboxFailed(
                    f"an audit in {other} was killed, and the folder has not been restored yet: its journal is "
                    f"{folder}."
                )


# Names that changed -------------------------------------------------------------------------------


def _returned(
    changed: set[str], now: dict[str, os.stat_result], saved: dict[str, Entry], until: float | None
) -> set[str]:
    """Return the names that an earlier, interrupted restore has put back after ``until``."""
    if until is None:
        return set()
    return {
        name
        for name in changed & saved.keys()
        if now[name].st_ctime > until and saved[name].state[:4] == tree.state(now[name])[:4]
    }


def _late(changed: set[str], now: dict[str, os.stat_result], until: float | None) -> set[str]:
    """Return the names that changed after ``until``, with the new folders that contain them."""
    if until is None:
        return set()
    late = {
        name
        for name in changed
        if now[name].st_ctime > until
        and not stat.S_ISDIR(now[name].st_mode)
        and not name.endswith(_DRAFT)
    }
    above = {str(parent) for name in late for parent in Path(name).parents}
    return late | (changed & above)


def _topmost(names: Iterable[str]) -> list[str]:
    """Return them without those that are inside another of them."""
    top: list[str] = []
    for name in sorted(names, key=lambda name: Path(name).parts):
        if not top or not Path(name).is_relative_to(top[-1]):
            top.append(name)
    return top


def _under(name: str, folders: Iterable[str]) -> bool:
    return any(Path(name).is_relative_to(folder) for folder in folders)


def _blocked(root: Path, name: str) -> bool:
    """Whether something other than a folder is at the place of the name's folder."""
    parents = [root / parent for parent in Path(name).parents]
    return any(
        os.path.lexists(path) and (path.is_symlink() or not path.is_dir()) for path in parents
    )


def _alike(one: os.stat_result, other: os.stat_result) -> bool:
    """Whether a name and its copy have the same content, as far as their status shows."""
    kind = stat.S_IFMT(one.st_mode)
    same = (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)
    return kind == stat.S_IFMT(other.st_mode) and (same or kind == stat.S_IFDIR)


# Files --------------------------------------------------------------------------------------------


def _set_status(path: Path, entry: Entry) -> None:
    """Only if it differs, because setting it changes the time of change."""
    with contextlib.suppress(OSError):
        status = os.lstat(path)
        if stat.S_IFMT(status.st_mode) != entry.type:
            return
        if (status.st_uid, status.st_gid) != (entry.owner, entry.group):
            with contextlib.suppress(OSError):
                os.chown(path, entry.owner, entry.group, follow_symlinks=False)
                status = os.lstat(path)
        if stat.S_IMODE(status.st_mode) != entry.mode and not stat.S_ISLNK(status.st_mode):
            os.chmod(path, entry.mode)


def _set_modified(path: Path, modified: int) -> None:
    with contextlib.suppress(OSError):
        status = os.lstat(path)
        if status.st_mtime_ns != modified:
            os.utime(path, ns=(status.st_atime_ns, modified), follow_symlinks=False)


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _put_back(saved: Path, path: Path) -> None:
    if saved.is_symlink():
        path.symlink_to(os.readlink(saved))
    elif saved.is_dir():
        path.mkdir(exist_ok=True)
    else:
        draft = path.with_name(path.name + _DRAFT)  # a file that exists there is complete
        draft.unlink(missing_ok=True)
        try:
            tree.copy_file(saved, draft)
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)

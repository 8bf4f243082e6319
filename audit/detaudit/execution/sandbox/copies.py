"""A copy of the user's folder for every trial, if nothing can be mounted: at another path, from one
pristine copy.

Small files are copied for each trial. A large file is copied for each as well, until a completed
trial has shown that the program does not change it; from then on trials get a link to the pristine
copy. If one changes it all the same, it is copied anew and never linked again. If the file system
can share blocks (reflinks), every file is cloned.

Sockets, pipes, devices and unreadable files are left out. Links keep their targets: in the copy if
the target is below the folder, elsewhere if it is not.
"""

import contextlib
import os
import shutil
import stat
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from detaudit.execution.sandbox import mounts
from detaudit.execution.sandbox.errors import SandboxFailed
from detaudit.execution.sandbox.tree import (
    MARGIN,
    State,
    behind_link,
    changes,
    copy_file,
    copy_tree,
    entries,
    refuse_behind_links,
    regular,
    remove,
    size_of,
    state,
    states,
)
from detaudit.execution.sandbox.tree import ignored as ignored  # noqa: PLC0414 - imported from here
from detaudit.execution.sandbox.view import COPY, Start, View

LARGE = 64 * 2**20  # bytes: files from this size on are linked once no run is known to change them
_COPY = "copy"


@dataclass
class Copies:
    """``store`` is a folder of ours, for trials and the pristine copy; it may be below ``root``.
    ``left_out`` are names that are hidden from every trial.
    """

    root: Path
    store: Path
    kind: str = field(default=COPY, init=False)
    left_out: tuple[str, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        self._pristine: Path | None = None
        self._kept: Path | None = None
        self._large: dict[str, State] = {}  # large files in the pristine copy
        self._linked: set[str] = set()  # those that a completed trial has not changed
        self._own: set[str] = set()  # those that some trial has changed
        self._before: dict[Path, dict[str, State]] = {}  # the running trials

    def view(self, trial: Path, start: Start) -> View:
        source = self._kept if start.left and self._kept is not None else self._take()
        copy = self._copy(trial)
        self._before[trial] = {}
        try:
            self._fill(source, copy)
            refuse_behind_links(copy, start.texts)
            mounts.prepare(
                str(copy),
                start.texts,
                [name for name in start.without if not behind_link(copy, name)],
            )
        except SandboxFailed:
            self.discard(trial)
            raise
        self._before[trial] = states(copy)
        return View(copy)

    def _copy(self, trial: Path) -> Path:
        return trial / _COPY / self.root.name

    def _take(self) -> Path:
        """Return the pristine copy, made once."""
        if self._pristine is None:
            needed, free = size_of(self.root, self.store), shutil.disk_usage(self.store).free
            if needed + MARGIN > free:
                raise SandboxFailed(
                    f"{self.root} contains {needed >> 20} MiB, too much to copy into {self.store}, which "
                    f"has {free >> 20} MiB free. Set TMPDIR to a larger disk, or run with --isolation "
                    f"in-place."
                )
            pristine = self.store / "pristine" / self.root.name
            remove(pristine)  # from a saved audit that was killed
            self.left_out = tuple(sorted(copy_tree(self.root, pristine, ours=self.store)))
            self._large = {
                name: state(status)
                for name, status in entries(pristine)
                if stat.S_ISREG(status.st_mode) and status.st_size >= LARGE
            }
            self._pristine = pristine
        return self._pristine

    def _fill(self, source: Path, copy: Path) -> None:
        pristine = self._take()
        copy_tree(source, copy, {name: pristine / name for name in self._linked})
        for name in self._own:  # the kept copy may still contain a link to one
            if _is_link_to(copy / name, pristine / name):
                (copy / name).unlink()
                copy_file(pristine / name, copy / name)

    def written(self, trial: Path) -> tuple[str, ...]:
        names = changes(self._before[trial], states(self._copy(trial)))
        return tuple(sorted({*names, *self._written_through(trial)}))

    def _written_through(self, trial: Path) -> list[str]:
        """Return the large files that were changed in the pristine copy, perhaps through a link of
        this trial.
        """
        pristine, copy = self._take(), self._copy(trial)
        return [
            name
            for name in sorted(self._linked)
            if _state(pristine / name) != self._large[name]
            and _is_link_to(copy / name, pristine / name)
        ]

    def find(self, trial: Path, name: str) -> Path | None:
        return regular([self._copy(trial) / name])

    def find_kept(self, name: str) -> Path | None:
        return regular([self._kept / name] if self._kept is not None else [])

    def places(self) -> tuple[Path, ...]:
        return ()

    def keep_state(self, trial: Path) -> Path:
        names, copy = self.written(trial), self._copy(trial)
        for name in self._written_through(trial):  # as this trial left it
            if os.path.lexists(self._take() / name):
                os.replace(self._take() / name, copy / name)
            else:
                (copy / name).unlink()
        self._linked |= self._large.keys() - self._own - set(names)
        former, self._kept = self._kept, copy
        if former is not None:
            remove(former.parent)
        return copy

    def begin_from(self, state: Path, written: Collection[str]) -> None:
        self._take()
        self._linked |= self._large.keys() - set(written)
        self._kept = state

    def discard(self, trial: Path) -> None:
        copy = self._copy(trial)
        own = self._large.keys() & set(self.written(trial)) if self._before.get(trial) else set()
        self._own |= own
        self._linked -= own
        self._restore_large()
        if copy != self._kept:
            remove(trial / _COPY)
        self._before.pop(trial, None)

    def _restore_large(self) -> None:
        """Copy a file anew: a trial that wrote through a link has changed the pristine copy, never
        the user's file.
        """
        pristine = self._take()
        for name in [name for name in self._large if _state(pristine / name) != self._large[name]]:
            self._own.add(name)
            self._linked.discard(name)
            with contextlib.suppress(FileNotFoundError):
                (pristine / name).unlink()
            try:
                copy_file(self.root / name, pristine / name)
            except FileNotFoundError:  # the user has removed it: later trials run without it
                del self._large[name]
            else:
                self._large[name] = state(os.lstat(pristine / name))

    def close(self, keep: bool = False) -> None:
        copies = {self._copy(trial) for trial in self._before}
        if self._kept is not None:
            copies.add(self._kept)
        for copy in copies - ({self._kept} if keep else set()):
            remove(copy.parent)
        remove(self.store / "pristine")
        self._before.clear()


def _state(path: Path) -> State | None:
    """Return a file's state; None if it no longer exists."""
    try:
        return state(os.lstat(path))
    except OSError:
        return None


def _is_link_to(path: Path, target: Path) -> bool:
    return path.is_symlink() and os.readlink(path) == str(target)

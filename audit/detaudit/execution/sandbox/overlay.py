"""An overlay over the user's folder: a trial sees it at its own path, and what it writes goes to
the trial's own layer.
"""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detaudit.execution.claims import LOCK, Claim
from detaudit.execution.sandbox import mounts
from detaudit.execution.sandbox.errors import SandboxFailed
from detaudit.execution.sandbox.tree import regular
from detaudit.execution.sandbox.view import OVERLAY, Start, View

_PREPARED = "prepared.json"  # the start of a view, in the trial's folder
_LAYERS = "layers"  # in a trial's folder, or in the folder of that name in ``store``


@dataclass
class Overlay:
    """Layers are in the trial's folder, or below ``store`` if the former's file system does not
    support them.

    ``keep`` are folders of ours that may be below ``root``. ``beside`` are covered too: a working
    folder elsewhere, the folder to which a link to the script leads.
    """

    root: Path
    keep: tuple[Path, ...]
    store: Claim | None = None
    beside: tuple[Path, ...] = ()
    kind: str = field(default=OVERLAY, init=False)

    def __post_init__(self) -> None:
        self._kept: Path | None = None
        self._places: dict[Path, Path] = {}  # the layers of each trial that has a view
        self._points: dict[Path, list[str]] = {}
        self._below: dict[Path, Path] = {}  # the nest of each trial that began in one

    def view(self, trial: Path, start: Start) -> View:
        """Raises SandboxFailed if a folder that is to be covered cannot be read."""
        points = self._points[trial] = self._covered()
        try:
            layers = [
                self._layer(trial, number, point, start.left) for number, point in enumerate(points)
            ]
        except OSError as error:
            raise SandboxFailed(
                f"No overlay can be mounted on {self.root}: {error.strerror}."
            ) from None
        return View(
            self.root,
            {
                **self._plan(layers),
                "texts": dict(start.texts),
                "without": list(start.without),
                "root": str(self.root),
                "prepared": str(trial / _PREPARED),
            },
        )

    def view_over(self, trial: Path, nest: Path) -> View:
        """Return the view of a trial that goes on from a nest, which has a view of its own: it sees
        what the nest has written until then.

        Its layers are put together anew, because overlays must not be stacked three times.
        """
        points = self._points[trial] = self._points[nest]
        self._below[trial] = nest
        layers = []
        for number, point in enumerate(points):
            there = self._layers(nest) / str(number)
            layer = self._folders(trial, number, there / "upper")
            lower = [str(there / "upper"), str(there / "bind")]
            layers.append({"path": point, "lower": lower, **layer})
        return View(self.root, self._plan(layers))

    def _plan(self, layers: list[dict[str, Any]]) -> dict[str, Any]:
        keep = [str(folder) for folder in self.keep]
        return {"layers": layers, "keep": keep, "renamed": [], "cwd": str(self.root)}

    def _covered(self) -> list[str]:
        """Return every mount point that trials must not write to, outer ones first."""
        points: list[str] = []
        for folder in (self.root, *self.beside):
            real = os.path.realpath(folder)
            points += [real, *mounts.below(real)]
        return sorted(set(points))

    def _layer(self, trial: Path, number: int, point: str, left: bool) -> dict[str, Any]:
        lower: list[str | None] = [None]
        if left and self._kept is not None:
            lower.insert(0, str(self._kept / str(number) / "upper"))
        return {"path": point, "lower": lower, **self._folders(trial, number, Path(point))}

    def _folders(self, trial: Path, number: int, covered: Path) -> dict[str, str]:
        """Make the folders of a layer, with the mode and time of the ``covered`` one."""
        folder = self._layers(trial) / str(number)
        names = ("upper", "work", "bind")
        for name in names:
            (folder / name).mkdir(parents=True)
        shutil.copystat(covered, folder / "upper")
        return {name: str(folder / name) for name in names}

    def _layers(self, trial: Path) -> Path:
        if trial not in self._places:
            own = trial / _LAYERS
            self._places[trial] = (
                own if self.store is None else Path(tempfile.mkdtemp(dir=self.store.path))
            )
        return self._places[trial]

    def written(self, trial: Path) -> tuple[str, ...]:
        names = self._written(trial)
        if trial in self._below:
            names += self._written(self._below[trial])
        return tuple(sorted(set(names)))

    def _written(self, trial: Path) -> list[str]:
        path = trial / _PREPARED
        prepared = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        names: list[str] = []
        for number, point in enumerate(self._points[trial]):
            upper = self._layers(trial) / str(number) / "upper"
            before = prepared[number] if number < len(prepared) else {}
            states = mounts.states_in(str(upper))
            inside = os.path.relpath(point, os.path.realpath(self.root))
            names += [
                os.path.normpath(os.path.join(inside, name))
                for name, state in states.items()
                if before.get(name) != state
            ]
        return names

    def find(self, trial: Path, name: str) -> Path | None:
        views = [trial, *([self._below[trial]] if trial in self._below else [])]
        return regular(
            path
            for view in views
            for path in self._uppers(self._layers(view), self._points[view], name)
        )

    def find_kept(self, name: str) -> Path | None:
        return regular(self._uppers(self._kept, self._covered(), name) if self._kept else [])

    def _uppers(self, layers: Path, points: list[str], name: str) -> Iterator[Path]:
        """Return the places of a name in the layers of a view, inner mount points first."""
        path = Path(os.path.normpath(os.path.join(os.path.realpath(self.root), name)))
        for number, point in reversed([*enumerate(points)]):
            if path.is_relative_to(point):
                yield layers / str(number) / "upper" / path.relative_to(point)

    def places(self) -> tuple[Path, ...]:
        return () if self.store is None else (self.store.path,)

    def keep_state(self, trial: Path) -> Path:
        former, self._kept = self._kept, self._layers(trial)
        if former is not None:
            _remove(former)
        return self._kept

    def begin_from(self, state: Path, written: Collection[str]) -> None:
        self._kept = state

    def discard(self, trial: Path) -> None:
        layers = self._places.pop(trial, None)
        self._below.pop(trial, None)
        if layers is not None and layers != self._kept:
            _remove(layers)

    def close(self, keep: bool = False) -> None:
        kept = self._kept if keep else None
        layers = {*self._places.values(), *([self._kept] if self._kept is not None else [])}
        for folder in layers - {kept}:
            _remove(folder)
            _remove_store(folder.parent)
        self._places.clear()
        if self.store is not None:
            if kept is None or kept.parent != self.store.path:
                _remove(self.store.path)
            self.store.release()


def _remove_store(store: Path) -> None:
    """Of an earlier audit, if only its lock is left there."""
    with contextlib.suppress(OSError):
        if os.listdir(store) == [LOCK]:
            _remove(store)


def _remove(folder: Path) -> None:
    mounts.removable(str(folder))
    shutil.rmtree(folder, ignore_errors=True)

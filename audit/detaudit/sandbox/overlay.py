"""An overlay over the user's folder: a trial sees it at its own path, and what it writes goes to a layer of its own."""
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detaudit.sandbox import mounts
from detaudit.sandbox.view import OVERLAY, Start, View

_LAYERS = "layers"  # in a trial's folder, or in the folder of that name in ``store``


@dataclass
class Overlay:
    """``root`` is the folder as the system names it. Layers lie in the trial's folder, or below ``store`` where that
    is on a file system that cannot have them. ``keep`` are folders of ours that may lie below ``root``."""

    root: Path
    keep: tuple[Path, ...]
    store: Path | None = None
    kind: str = field(default=OVERLAY, init=False)

    def __post_init__(self) -> None:
        self._kept: Path | None = None
        self._stores: dict[Path, Path] = {}

    def view(self, trial: Path, start: Start) -> View:
        points = [str(self.root), *mounts.below(str(self.root))]
        layers = [self._layer(trial, number, point, start.left) for number, point in enumerate(points)]
        return View(self.root, {
            "layers": layers, "keep": [str(folder) for folder in self.keep], "cwd": str(self.root),
            "texts": dict(start.texts), "without": list(start.without), "root": str(self.root)})

    def _layer(self, trial: Path, number: int, point: str, left: bool) -> dict[str, Any]:
        folder = self._layers(trial) / str(number)
        names = ("upper", "work", "bind")
        for name in names:
            (folder / name).mkdir(parents=True)
        shutil.copystat(point, folder / "upper")  # the covered folder's own mode and time
        lower: list[str | None] = [None]
        if left and self._kept is not None:
            lower.insert(0, str(self._kept / str(number) / "upper"))
        return {"path": point, "lower": lower, **{name: str(folder / name) for name in names}}

    def _layers(self, trial: Path) -> Path:
        if self.store is None:
            return trial / _LAYERS
        if trial not in self._stores:
            self._stores[trial] = Path(tempfile.mkdtemp(dir=self.store))
        return self._stores[trial]

    def written(self, trial: Path) -> tuple[str, ...]:
        names: list[str] = []
        for number, point in enumerate([str(self.root), *mounts.below(str(self.root))]):
            upper = self._layers(trial) / str(number) / "upper"
            inside = os.path.relpath(point, self.root)
            names += [os.path.normpath(os.path.join(inside, name)) for name in mounts.changed_in(str(upper))]
        return tuple(sorted(names))

    def keep_state(self, trial: Path) -> None:
        self._kept = self._layers(trial)

    def discard(self, trial: Path) -> None:
        layers = self._layers(trial)
        if layers != self._kept:
            _remove(layers)
            self._stores.pop(trial, None)

    def close(self) -> None:
        if self._kept is not None:
            _remove(self._kept)
        if self.store is not None:
            _remove(self.store)


def _remove(folder: Path) -> None:
    mounts.removable(str(folder))
    shutil.rmtree(folder, ignore_errors=True)

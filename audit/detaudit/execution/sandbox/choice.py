"""Chooses the sandbox by really mounting one, once, and not by what a system says about itself."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from detaudit.core.outcome import last_line
from detaudit.execution import claims
from detaudit.execution.sandbox import mounts
from detaudit.execution.sandbox.copies import Copies
from detaudit.execution.sandbox.errors import SandboxFailed
from detaudit.execution.sandbox.in_place import InPlace
from detaudit.execution.sandbox.overlay import Overlay
from detaudit.execution.sandbox.view import COPY, IN_PLACE, OVERLAY, Sandbox, Start

#: A memory file system that exists already: layers go there if TMPDIR's file system does not
#: support them (an overlay, NFS). Its size limits them.
MEMORY = Path("/dev/shm")
LEAST_MEMORY = 2 * 2**30  # bytes: if less is free there, copies are better


@dataclass(frozen=True)
class Choice:
    """The sandbox, and why no better one is possible; empty if it is the best, or was requested."""

    sandbox: Sandbox
    reason: str = ""


def choose(root: Path, folder: Path, wanted: str | None, beside: tuple[Path, ...] = ()) -> Choice:
    """Choose a sandbox for ``root``, with its files in ``folder``, which is ours.

    ``wanted`` is one of the kinds; None chooses an overlay if one can be mounted, else copies.
    ``beside`` are other folders that the program may treat as its own: an overlay covers them too.
    Raises SandboxFailed if the requested sandbox is not possible.
    """
    if wanted == IN_PLACE:
        return Choice(InPlace(root))
    if wanted == COPY:
        return Choice(Copies(root, folder))
    overlay, reason = mountable(root, folder, beside)
    if overlay is not None:
        return Choice(overlay)
    if wanted == OVERLAY:
        raise SandboxFailed(
            f"No overlay can be mounted on {root}: {reason}. Leave out --isolation to run in copies."
        )
    return Choice(Copies(root, folder), f"no overlay can be mounted on the folder ({reason})")


def mountable(
    root: Path, folder: Path, beside: tuple[Path, ...] = ()
) -> tuple[Overlay | None, str]:
    """Return an overlay that was mounted on ``root`` and written to, or the reason why there is
    none.
    """
    reason = ""
    for place in (None, MEMORY) if _has_room(MEMORY) else (None,):
        store = claims.make("detaudit-", place, str(folder)) if place is not None else None
        overlay = Overlay(root, (folder,), store, beside)
        failure = _try(overlay, folder)
        if not failure:
            return overlay, ""
        overlay.close()
        reason = reason or failure
    return None, reason


def _has_room(place: Path) -> bool:
    return place.is_dir() and shutil.disk_usage(place).free > LEAST_MEMORY


def _try(overlay: Overlay, folder: Path) -> str:
    """Return why it cannot be mounted; empty if it can, and what is written there is invisible
    outside.
    """
    trial = Path(tempfile.mkdtemp(prefix="try-", dir=folder))
    try:
        plan = trial / "plan.json"
        plan.write_text(json.dumps(overlay.view(trial, Start()).plan), encoding="utf-8")
        # In a folder of ours: ``-m`` puts the working folder first on the path.
        tried = subprocess.run(
            [sys.executable, "-m", "detaudit.execution.sandbox.mounts", str(plan)],
            cwd=trial,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if tried.returncode != 0:
            return last_line(tried.stderr) or f"it exited with status {tried.returncode}"
        caught = mounts.TRY in overlay.written(trial)
        outside = os.path.lexists(overlay.root / mounts.TRY)
        return "" if caught and not outside else "writes to it reach the folder"
    except (SandboxFailed, OSError) as error:
        return str(error)
    finally:
        overlay.discard(trial)
        shutil.rmtree(trial, ignore_errors=True)

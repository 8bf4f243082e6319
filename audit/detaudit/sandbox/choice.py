"""Which sandbox can be had here: found out by really mounting, once, not by reading what a system says of itself."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from detaudit.sandbox.copies import Copies
from detaudit.sandbox.errors import SandboxFailed
from detaudit.sandbox.in_place import InPlace
from detaudit.sandbox.overlay import Overlay
from detaudit.sandbox.view import COPY, IN_PLACE, OVERLAY, Sandbox, Start

#: A memory file system that is there before we are: layers go there where TMPDIR's file system cannot have them
#: (an overlay, NFS). Its size bounds them.
MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Choice:
    """The sandbox, and why no better one could be had; empty where it is the best, or was asked for."""

    sandbox: Sandbox
    reason: str = ""


def choose(root: Path, folder: Path, wanted: str | None) -> Choice:
    """A sandbox for ``root``, with what it needs in ``folder``, which is ours.

    ``wanted`` is one of the kinds; None takes an overlay where one can be mounted, and copies elsewhere. Raises
    SandboxFailed where the one that was asked for cannot be had.
    """
    if wanted == IN_PLACE:
        return Choice(InPlace(root))
    if wanted == COPY:
        return Choice(Copies(root, folder))
    overlay, reason = mountable(root, folder)
    if overlay is not None:
        return Choice(overlay)
    if wanted == OVERLAY:
        raise SandboxFailed(f"No overlay can be mounted on {root}: {reason}. Leave --isolation out to run in copies.")
    return Choice(Copies(root, folder), f"no overlay can be mounted on the folder ({reason})")


def mountable(root: Path, folder: Path) -> tuple[Overlay | None, str]:
    """An overlay that was mounted on ``root`` and written to, or why there is none."""
    stores: Sequence[Path | None] = (None, MEMORY) if MEMORY.is_dir() else (None,)
    reason = ""
    for place in stores:
        store = Path(tempfile.mkdtemp(prefix="detaudit-", dir=place)) if place is not None else None
        overlay = Overlay(root, (folder,), store)
        failure = _try(overlay, folder)
        if not failure:
            return overlay, ""
        overlay.close()
        reason = reason or failure
    return None, reason


def _try(overlay: Overlay, folder: Path) -> str:
    """Why it cannot be mounted; empty where it can, and what is written there is not seen outside."""
    trial = Path(tempfile.mkdtemp(prefix="try-", dir=folder))
    plan = trial / "plan.json"
    plan.write_text(json.dumps(overlay.view(trial, Start()).plan), encoding="utf-8")
    before = os.stat(overlay.root).st_mtime_ns
    tried = subprocess.run([sys.executable, "-m", "detaudit.sandbox.mounts", str(plan)], capture_output=True, text=True,
                           check=False)
    overlay.discard(trial)
    shutil.rmtree(trial, ignore_errors=True)
    if os.stat(overlay.root).st_mtime_ns != before:
        return "what is written to it reaches the folder"
    return "" if tried.returncode == 0 else tried.stderr.strip().splitlines()[-1]

"""Cleans up at the start after audits that were killed: restores folders that they worked in, ends
their remaining processes, and removes the files that they left.

A folder is dead if its lock can be taken (:mod:`detaudit.execution.claims`). What was interrupted
or is kept on purpose stays, and so do the finished trials of a killed audit, which ``--resume``
uses.
"""

import contextlib
import json
import os
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from detaudit.core.files import read_json
from detaudit.core.sentences import listed, number
from detaudit.execution import claims
from detaudit.execution.resume import FILE, STATE_FILE
from detaudit.execution.sandbox import in_place, tree
from detaudit.execution.sandbox.choice import MEMORY
from detaudit.execution.workspace import KEPT, LONG, SHORT

#: How often, and how many seconds apart, a process is looked at that has no environment yet.
LOOKS, LOOK_SECONDS = 6, 0.02


def clear(spared: Path | None = None) -> Iterator[str]:
    """Clean up after every audit of this user that is gone; return sentences for the user.
    ``spared`` is a folder that is left alone, because an audit is about to be resumed there.
    """
    with contextlib.suppress(OSError):  # nothing can be written where journals are stored
        yield from map(_describe, in_place.recover())
    for folder in claims.own_folders(Path(tempfile.gettempdir()), SHORT, LONG):
        if spared is None or not _same(folder, spared):
            yield from _clear(folder)
    for folder in claims.own_folders(MEMORY, LONG):
        yield from _clear(folder)


def _clear(folder: Path) -> Iterator[str]:
    claim = claims.take_abandoned(folder)
    if claim is None:
        return
    try:
        # The layers that a saved audit needs were chosen together with its folder.
        is_needed = bool(claim.owner) and Path(claim.owner).is_dir()
        if is_needed or (folder / KEPT).exists():
            return
        end_processes(folder)
        command, saved = _saved(folder)
        if not saved:
            tree.remove(folder)
            return
        _strip(folder, saved)
        (folder / KEPT).touch()
        yield (
            f"An audit was killed. {number(len(saved), 'finished trial')} of it can be reused: continue it with "
            f"`detaudit {command} --resume {folder / FILE}`, or delete {folder}."
        )
    except OSError:  # the next start tries again
        return
    finally:
        claim.release()


def _same(first: Path, second: Path) -> bool:
    return os.path.realpath(first) == os.path.realpath(second)


def _saved(folder: Path) -> tuple[str, list[Path]]:
    """Return the command of a saved audit, and the folders of its finished trials; none if nothing
    had finished.
    """
    try:
        header, *lines = (folder / FILE).read_bytes().split(b"\n")[:-1]
        command = json.loads(header)["identity"]["command"]
        names = [json.loads(line)["folder"] for line in lines]
    except (OSError, ValueError, KeyError, TypeError):
        return "", []
    return str(command), [folder / name for name in names if name]


def _strip(folder: Path, trials: Sequence[Path]) -> None:
    """Remove what ``--resume`` does not need: unfinished trials, and layers."""
    needed = [folder / FILE, folder / claims.LOCK, *trials]
    _remove_others(folder, needed)
    states = list(filter(None, map(_state, trials)))
    for store in claims.own_folders(MEMORY, LONG):
        claim = claims.take_abandoned(store)
        if claim is None:
            continue
        if claim.owner == str(folder):
            _remove_others(store, [store / claims.LOCK, *states])
        claim.release()


def _state(trial: Path) -> Path | None:
    """Return where the files are kept that a trial left; None if it left none."""
    try:
        state = str(read_json(trial / STATE_FILE))
    except (OSError, ValueError):
        return None
    return Path(state) if state else None


def _remove_others(folder: Path, needed: Sequence[Path]) -> None:
    """Remove everything except ``needed``, its contents, and the folders that lead to it."""
    for path in folder.iterdir():
        if path in needed:
            continue
        if any(other.is_relative_to(path) for other in needed):
            _remove_others(path, needed)
        elif path.is_dir() and not path.is_symlink():
            tree.remove(path)
        else:
            path.unlink(missing_ok=True)


def end_processes(folder: Path) -> None:
    """Kill every remaining process that a trial in ``folder`` has started, in whatever session:
    they inherit the trial's environment, which names the folder.
    """
    marks = [
        name + os.fsencode(folder) + b"/"
        for name in (b"_DETAUDIT_TRIAL=", b"_DETAUDIT_NEST=", b"TMPDIR=")
    ]
    entries = list(Path("/proc").glob("[0-9]*"))
    for _ in range(LOOKS):
        entries = [entry for entry in entries if not _ended_or_foreign(entry, marks)]
        if not entries:
            break
        time.sleep(LOOK_SECONDS)


def _ended_or_foreign(entry: Path, marks: Sequence[bytes]) -> bool:
    """Kill a process if one of ``marks`` is in its environment. Return False if its environment is
    still empty, because the process is about to run another program.
    """
    with contextlib.suppress(OSError):
        environment = (entry / "environ").read_bytes()
        if not environment:
            return not (entry / "exe").exists()  # the kernel's own have none
        if int(entry.name) != os.getpid() and any(mark in environment for mark in marks):
            os.kill(int(entry.name), signal.SIGKILL)
    return True


def _describe(restored: in_place.Restored) -> str:
    """Describe the state of a folder in which an audit was killed."""
    sentences = [f"An audit of {restored.root} was killed."]
    if restored.names:
        sentences.append(f"Restored: {listed(restored.names, 5)}.")
    if restored.where is not None:
        sentences.append(f"The files that had replaced them are kept in {restored.where}.")
    if restored.left:
        sentences.append(f"Changed since then, and left as they are: {listed(restored.left, 5)}.")
    if restored.problem:
        sentences.append(restored.problem)
    return " ".join(sentences)

"""Ends processes, with everything that they have started."""

import contextlib
import ctypes
import os
import signal
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

# Of <linux/prctl.h>
_PARENT_DEATH_SIGNAL, _SUBREAPER = 1, 36
_PATIENCE = 10.0  # seconds in which killed processes must be gone
_TRACKED = 2.0  # seconds in which a resource tracker must have cleaned up


def end_group(pid: int) -> None:
    """Kill the processes of the group that ``pid`` leads, if there are any."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def end_program(pid: int) -> None:
    """Kill the processes of the group that a Python program leads, with all that descends from this
    process.

    Its resource tracker (:mod:`multiprocessing.resource_tracker`, and joblib's own) unlinks the
    shared memory that the program left, once every other process of the program is gone: it is
    given time for that.
    """
    deadline = time.monotonic() + _TRACKED
    while any(map(_is_tracker, found := list(descendants(os.getpid())))):
        for one in found:
            if not _is_tracker(one):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(one, signal.SIGKILL)
        if time.monotonic() > deadline:
            break
        time.sleep(0.005)
    end_group(pid)


def _is_tracker(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return b"resource_tracker import main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def adopt_orphans() -> None:
    """Become the parent of processes that a child leaves running when it ends, if the system
    supports it: only Linux does (prctl(2)).
    """
    _control(_SUBREAPER, 1)


def die_with_parent() -> None:
    """Let this process be killed as soon as its parent is gone, if the system supports it."""
    _control(_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def _control(option: int, value: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def end_orphans() -> None:
    """Kill and collect every process that descends from this one, in whatever groups and sessions.

    If this process has adopted orphans, children of a killed process become its own, so this is
    repeated until none is left.
    """
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        found = list(descendants(os.getpid()))
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not _collect() and not found:
            return
        time.sleep(0.005)


def descendants(pid: int) -> Iterator[int]:
    """Return the processes that descend from ``pid``, without those that have ended; none if /proc
    is not available.
    """
    children: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            if state not in "ZX":
                children[int(parent)].append(int(entry.name))
    waiting = [pid]
    while waiting:
        below = children[waiting.pop()]
        yield from below
        waiting += below


def _collect() -> bool:
    """Collect children that have ended; return whether there are others."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
        return True
    return False

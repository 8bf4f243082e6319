"""Ending processes, with whatever they have started."""

import contextlib
import ctypes
import os
import signal
from pathlib import Path

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of <linux/prctl.h>
_GENERATIONS = 20  # of orphans that are looked for


def end_group(pid: int) -> None:
    """Kill the processes of the group that ``pid`` leads, where there are any."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of what a child leaves running when it ends, where the system can do so:
    Linux alone (prctl(2)).
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)


def end_orphans() -> None:
    """Kill and collect every child of this process, and what these leave, in whatever groups."""
    listing = Path(f"/proc/self/task/{os.getpid()}/children")
    for _ in range(_GENERATIONS):
        pids = listing.read_text().split() if listing.exists() else []
        if not pids:
            return
        for pid in map(int, pids):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, 0)

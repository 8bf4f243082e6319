"""The children of a fork server: each has its own process group and folder, is ended when its time
is over, and leaves an ``exit.json`` when it has ended.

The server adopts the processes that its children leave behind, and ends them too.
"""

import os
import select
import signal
import sys
import time
from typing import Any, Callable, Dict, List

from detaudit_probes import protocol
from detaudit_probes.recording.trace import write_json

# <linux/prctl.h>
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_PATIENCE = 10.0  # seconds in which killed processes must be gone
_TRACKED = 2.0  # seconds in which a resource tracker must have cleaned up


class _Child:
    def __init__(self, folder: str, deadline: float) -> None:
        self.folder, self.deadline, self.began = folder, deadline, time.monotonic()
        self.timed_out = False


class Children:
    """The running children of this process, by process id."""

    def __init__(self) -> None:
        self._running: Dict[int, _Child] = {}

    def add(self, pid: int, folder: str, limit: float) -> None:
        """Add a child that leads a process group of its own and may run for ``limit`` seconds."""
        self._running[pid] = _Child(folder, time.monotonic() + limit)

    def __len__(self) -> int:
        return len(self._running)

    def kill(self) -> None:
        for pid in self._running:
            _kill_group(pid)

    def look(self) -> None:
        """Collect the processes that have ended, and end children whose time is over."""
        self._reap()
        for pid, child in self._running.items():
            if not child.timed_out and time.monotonic() > child.deadline:
                child.timed_out = True
                _kill_group(pid)

    def _reap(self) -> None:
        """Children leave an ``exit.json``, adopted orphans leave nothing."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self._running.pop(pid, None)
            if child is None:
                continue
            self._await_trackers()
            _kill_group(pid)  # grandchildren that are still running
            self._end_orphans()
            write_json(
                os.path.join(child.folder, protocol.EXIT_FILE),
                {
                    "status": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
                    "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
                    "timed_out": child.timed_out,
                    "seconds": time.monotonic() - child.began,
                    "max_rss": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
                },
            )

    def _await_trackers(self) -> None:
        """End what a child has left running, but give resource trackers of Python's
        ``multiprocessing`` time to unlink the shared memory that it left.
        """
        deadline = time.monotonic() + _TRACKED
        while time.monotonic() < deadline:
            left = self._orphans()
            trackers = [pid for pid in left if _is_tracker(pid)]
            if not trackers:
                return
            for pid in set(left).difference(trackers):
                _signal(os.kill, pid)
            time.sleep(0.005)

    def _end_orphans(self) -> None:
        """End adopted grandchildren that left their process group; this process is now their
        parent.
        """
        for pid in self._orphans():
            _signal(os.kill, pid)

    def _orphans(self) -> List[int]:
        """Return adopted grandchildren, without those that are known to serve a running child."""
        return [
            pid
            for pid in children_of_this_process()
            if pid not in self._running and not self._serves(pid)
        ]

    def _serves(self, pid: int) -> bool:
        """Whether a process belongs to a running child: to its group or session, or it was started
        with the name of its folder in the environment.
        """
        try:
            if os.getpgid(pid) in self._running or os.getsid(pid) in self._running:
                return True
            with open("/proc/%d/environ" % pid, "rb") as file:
                variables = file.read().split(b"\0")
        except OSError:
            return False
        mark = protocol.TRIAL_VARIABLE + "="
        return any(os.fsencode(mark + one.folder) in variables for one in self._running.values())


def serve(commands: int, children: Children, begin: Callable[[str], bool]) -> bool:
    """Call ``begin`` with each line of a pipe, until it is closed and every child has ended.

    ``begin`` forks, and returns whether this is the child now. Then so does this function.
    """
    pending, open_for_more = b"", True
    while open_for_more or children:
        children.look()
        pipes = [commands] if open_for_more else []
        if not select.select(pipes, [], [], 0.01 if children else 5.0)[0]:
            continue
        data = os.read(commands, 65536)
        open_for_more = bool(data)
        if not data:
            children.kill()
        lines = (pending + data).split(b"\n")
        pending = lines.pop()
        for line in lines:
            if begin(line.decode("utf-8")):
                return True
    return False


def adopt_orphans() -> None:
    """Become the reaper of grandchildren whose parents die, if the system allows it, to end them
    too.
    """
    _control(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Let this process be killed as soon as its parent is gone, if the system supports it."""
    _control(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _control(option: int, value: int) -> None:
    try:
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        pass  # not Linux: a child's process group is still ended as a whole


def redirect(folder: str) -> None:
    """Send this process's output to the end of its own files; its input is empty."""
    for name, descriptor in ((protocol.STDOUT_FILE, 1), (protocol.STDERR_FILE, 2)):
        file = os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(file, descriptor)
        os.close(file)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def children_of_this_process() -> List[int]:
    """Return the children of the calling thread's process; none if the system does not say."""
    found = []  # type: List[int]
    try:
        for thread in os.listdir("/proc/self/task"):
            with open("/proc/self/task/%s/children" % thread) as file:
                found += map(int, file.read().split())
    except OSError:
        pass
    return found


def end_descendants() -> None:
    """Kill every process that descends from this one, in whatever groups and sessions, until none
    is left.
    """
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        found = _descendants(os.getpid())
        if not found:
            return
        for pid in found:
            _signal(os.kill, pid)
        time.sleep(0.005)


def _descendants(ancestor: int) -> List[int]:
    """Without those that have ended; none where /proc tells nothing."""
    children = {}  # type: Dict[int, List[int]]
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if not name.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % name) as file:
                state, parent = file.read().rpartition(")")[2].split()[:2]
        except (OSError, ValueError):
            continue
        if state not in "ZX":
            children.setdefault(int(parent), []).append(int(name))
    found, waiting = [], [ancestor]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _is_tracker(pid: int) -> bool:
    """Whether this is a running resource tracker; one that has ended has no command line."""
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            return b"resource_tracker import main" in file.read()
    except OSError:
        return False


def _kill_group(pid: int) -> None:
    _signal(os.killpg, pid)


def _signal(send: Any, pid: int) -> None:
    try:
        send(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # gone already

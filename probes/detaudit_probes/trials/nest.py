"""A nest: a process that has imported a framework and forks one child per trial.

It creates no runtime state of the framework, so a child starts like a new process, without the cost
of the import. The nest and every child end when the engine is gone.
"""

import json
import os
import select
import signal
import sys
import threading
import time
from typing import Any, Dict, List, Optional, Tuple

from detaudit_probes import backends, codec, protocol, sources
from detaudit_probes.recording import facts, fingerprint
from detaudit_probes.recording.trace import write_json
from detaudit_probes.trials import worker

# <linux/prctl.h>
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_PATIENCE = 10.0  # seconds in which killed processes must be gone


class _Child:
    def __init__(self, trial: int, deadline: float) -> None:
        self.trial, self.deadline, self.began = trial, deadline, time.monotonic()
        self.timed_out = False


def main(control: str) -> int:
    """Serve the control folder until the engine closes the command pipe; return the exit status."""
    with open(os.path.join(control, protocol.NEST_FILE), encoding="utf-8") as file:
        plan = json.load(file)
    hello = os.path.join(control, protocol.HELLO_FILE)
    if plan["protocol"] != protocol.PROTOCOL:
        failure = {
            "kind": "protocol",
            "message": "the engine uses protocol %s, the guest protocol %s"
            % (plan["protocol"], protocol.PROTOCOL),
        }
        write_json(hello, _hello(failure=failure))
        return 1
    _adopt_orphans()
    _watch_lifeline(plan["lifeline"])
    failure = _import_all(backends.get(plan["backend"]).IMPORTS if plan["imports"] else ())
    write_json(hello, _hello(failure=failure))
    if failure:
        return 1
    if not plan["fork"]:
        return _alone(control, plan)
    return _serve(control, plan)


def _hello(failure: Optional[Dict[str, Any]]) -> Dict[str, Any]:
    return {
        "protocol": protocol.PROTOCOL,
        "pid": os.getpid(),
        "ready": failure is None,
        "failure": failure,
        "facts": facts.of_interpreter(),
        "fingerprints": fingerprint.available(),
    }


def _import_all(names: Tuple[str, ...]) -> Optional[Dict[str, Any]]:
    """Import the framework. A failure is returned as data, with the requested module and the
    missing one.
    """
    for name in names:
        try:
            __import__(name)
        except BaseException as error:  # an import may call sys.exit
            missing = getattr(error, "name", None) if isinstance(error, ImportError) else None
            return {
                "kind": "import-failed",
                "module": name,
                "missing": missing,
                "type": type(error).__name__,
                "message": str(error)[:2000],
            }
    return None


def _watch_lifeline(descriptor: int) -> None:
    """End this process, its group and all that descends from it when the engine is gone. Until
    then the thread only ever blocks in read.
    """

    def wait() -> None:
        os.read(descriptor, 1)
        _end_descendants()
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True, name="detaudit-lifeline").start()


def _adopt_orphans() -> None:
    """Become the reaper of grandchildren whose parents die, if the system allows it, to end them
    too.
    """
    _control(_PR_SET_CHILD_SUBREAPER, 1)


def _control(option: int, value: int) -> None:
    try:
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        pass  # not Linux: a child's process group is still ended as a whole


def _alone(control: str, plan: Dict[str, Any]) -> int:
    """Run one trial without a fork: the fresh process that ``--isolate`` and a GPU require."""
    line = os.read(plan["commands"], 100).decode("ascii")
    if not line:
        return 0
    folder = os.path.join(control, protocol.TRIALS_FOLDER, line.split()[1])
    completed = _run_trial(folder, plan)
    _end_descendants()
    return 0 if completed else 1


def _run_trial(folder: str, plan: Dict[str, Any]) -> bool:
    with open(os.path.join(folder, protocol.REQUEST_FILE), encoding="utf-8") as file:
        request = codec.decode(protocol.Request, json.load(file))
    _redirect(folder)
    return worker.run(request, folder, sources.with_third_party(plan["probes"]))


def _redirect(folder: str) -> None:
    """Send the child's output to its own files; its input is empty."""
    for name, descriptor in ((protocol.STDOUT_FILE, 1), (protocol.STDERR_FILE, 2)):
        file = os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(file, descriptor)
        os.close(file)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def _serve(control: str, plan: Dict[str, Any]) -> int:
    children: Dict[int, _Child] = {}
    commands, pending = plan["commands"], b""
    open_for_more = True
    while open_for_more or children:
        _reap(control, children)
        _end_late(children)
        recorded = [commands] if open_for_more else []
        if not select.select(recorded, [], [], 0.01 if children else 5.0)[0]:
            continue
        data = os.read(commands, 65536)
        open_for_more = bool(data)
        if not data:
            for pid in children:
                _kill(pid)
        lines = (pending + data).split(b"\n")
        pending = lines.pop()
        for line in lines:
            _obey(line.decode("ascii").split(), control, plan, children)
    return 0


def _obey(
    command: List[str], control: str, plan: Dict[str, Any], children: Dict[int, _Child]
) -> None:
    trial = int(command[1])
    folder = os.path.join(control, protocol.TRIALS_FOLDER, str(trial))
    with open(os.path.join(folder, protocol.REQUEST_FILE), encoding="utf-8") as file:
        limit = json.load(file)["timeout"]
    pid = os.fork()
    if pid == 0:
        _child(folder, plan)
    children[pid] = _Child(trial, time.monotonic() + limit)


def _child(folder: str, plan: Dict[str, Any]) -> None:
    """Never returns: the exit handlers and buffers of the nest are not the child's to run."""
    status = 70
    try:
        os.setpgid(0, 0)
        _control(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.close(plan["commands"])
        _watch_lifeline(plan["lifeline"])
        status = 0 if _run_trial(folder, plan) else 1
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _reap(control: str, children: Dict[int, _Child]) -> None:
    """Collect the processes that have ended: children leave an ``exit.json``, adopted orphans leave
    nothing.
    """
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        child = children.pop(pid, None)
        if child is None:
            continue
        _kill(pid)  # its process group: grandchildren that are still running
        _end_orphans(children)
        folder = os.path.join(control, protocol.TRIALS_FOLDER, str(child.trial))
        write_json(
            os.path.join(folder, protocol.EXIT_FILE),
            {
                "status": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
                "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
                "timed_out": child.timed_out,
                "seconds": time.monotonic() - child.began,
                "max_rss": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
            },
        )


def _end_orphans(children: Dict[int, _Child]) -> None:
    """End adopted grandchildren that left their process group; this process is now their parent."""
    listing = "/proc/self/task/%d/children" % os.getpid()
    if not os.path.exists(listing):
        return
    with open(listing) as file:
        for pid in map(int, file.read().split()):
            if pid not in children:
                _signal(os.kill, pid)


def _end_descendants() -> None:
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


def _end_late(children: Dict[int, _Child]) -> None:
    for pid, child in children.items():
        if not child.timed_out and time.monotonic() > child.deadline:
            child.timed_out = True
            _kill(pid)


def _kill(pid: int) -> None:
    _signal(os.killpg, pid)


def _signal(send: Any, pid: int) -> None:
    try:
        send(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # gone already

"""A nest: a process that has imported a framework and forks one child per trial.

It creates no runtime state of the framework, so a child starts like a new process, without the cost
of the import. The nest and every child end when the engine is gone.
"""

import json
import os
import signal
import sys
import threading
from typing import Any, Dict, Optional, Tuple

# The sources before the worker: a third party's file may import it
from detaudit_probes import backends, codec, protocol, sources  # noqa: F401
from detaudit_probes.forking import children
from detaudit_probes.recording import facts, fingerprint
from detaudit_probes.recording.trace import write_json
from detaudit_probes.trials import worker


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
    children.adopt_orphans()
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
        children.end_descendants()
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True, name="detaudit-lifeline").start()


def _alone(control: str, plan: Dict[str, Any]) -> int:
    """Run one trial without a fork: the fresh process that ``--isolate`` and a GPU require."""
    line = os.read(plan["commands"], 100).decode("ascii")
    if not line:
        return 0
    folder = os.path.join(control, protocol.TRIALS_FOLDER, line.split()[1])
    completed = _run_trial(folder, plan)
    children.end_descendants()
    return 0 if completed else 1


def _run_trial(folder: str, plan: Dict[str, Any]) -> bool:
    with open(os.path.join(folder, protocol.REQUEST_FILE), encoding="utf-8") as file:
        request = codec.decode(protocol.Request, json.load(file))
    children.redirect(folder)
    return worker.run(request, folder)


def _serve(control: str, plan: Dict[str, Any]) -> int:
    running = children.Children()

    def begin(line: str) -> bool:
        folder = os.path.join(control, protocol.TRIALS_FOLDER, line.split()[1])
        with open(os.path.join(folder, protocol.REQUEST_FILE), encoding="utf-8") as file:
            limit = json.load(file)["timeout"]
        pid = os.fork()
        if pid == 0:
            _child(folder, plan)
        running.add(pid, folder, limit)
        return False

    children.serve(plan["commands"], running, begin)
    return 0


def _child(folder: str, plan: Dict[str, Any]) -> None:
    """Never returns: the exit handlers and buffers of the nest are not the child's to run."""
    status = 70
    try:
        os.setpgid(0, 0)
        children.die_with_parent()
        os.close(plan["commands"])
        _watch_lifeline(plan["lifeline"])
        status = 0 if _run_trial(folder, plan) else 1
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)

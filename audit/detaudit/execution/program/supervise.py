"""Supervises one run of a user's script, in a separate process: ``python -m
detaudit.execution.program.supervise FOLDER LIFELINE``.

Its standard input says how to start the script. It starts the script in a new process group, ends
it when its time is over or the engine is gone (the inherited pipe ends), collects the processes
that the script left behind, and writes to ``exit.json`` how the script ended. The script itself
contains no thread, no signal handler and no pipe of ours.
"""

import contextlib
import ctypes
import json
import math
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from detaudit_probes import protocol

from detaudit.core.files import write_json
from detaudit.execution.processes import adopt_orphans, die_with_parent, end_orphans, end_program
from detaudit.execution.sandbox import mounts

#: In a trial's folder: how the script was started, without secrets.
LAUNCH_FILE = "launch.json"
OUR_FAULT = 70  # the exit status of a run that failed because of detaudit
#: Uses a core until its input ends, which happens when this process is gone, for whatever reason.
BURN = "import select\nwhile not select.select([0], [], [], 0)[0]: pass"
_NO_RANDOMISATION = 0x0040000  # ADDR_NO_RANDOMIZE of <linux/personality.h>


def main(folder: Path, lifeline: int) -> int:
    launch = json.load(sys.stdin.buffer)
    adopt_orphans()
    # Batch systems send it to every process; this one must outlive the script. A handler is needed,
    # because the script would inherit an ignored signal as ignored.
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    # Nobody ever writes: the engine is gone
    if select.select([lifeline], [], [], launch["wait"])[0]:
        return 1
    began = time.monotonic()
    with burning(launch["burners"]):
        script = _start(folder, launch)
        limit = math.inf if launch["timeout"] is None else launch["timeout"]
        timed_out = _wait(script, lifeline, began + limit)
    end_program(script.pid)
    _, status, usage = os.wait4(script.pid, 0)
    end_orphans()
    write_json(
        folder / protocol.EXIT_FILE,
        {
            "status": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
            "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
            "timed_out": timed_out,
            "seconds": time.monotonic() - began,
            "max_rss": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        },
    )
    return 0


@contextlib.contextmanager
def burning(count: int) -> Iterator[None]:
    """Keep ``count`` cores busy while the block runs."""
    with contextlib.ExitStack() as gone:
        for _ in range(count):
            burner = gone.enter_context(
                subprocess.Popen([sys.executable, "-I", "-c", BURN], stdin=subprocess.PIPE)
            )
            gone.callback(burner.kill)
        yield


def _start(folder: Path, launch: dict[str, Any]) -> subprocess.Popen:
    def prepare() -> None:
        """Runs in the child before it becomes the program."""
        if launch["fixed_addresses"]:
            fix_addresses()
        if launch["mounts"] is not None:
            try:
                mounts.enter(launch["mounts"])
                mounts.prepare(
                    launch["mounts"]["root"], launch["mounts"]["texts"], launch["mounts"]["without"]
                )
                prepared = [
                    mounts.states_in(layer["upper"]) for layer in launch["mounts"]["layers"]
                ]
                write_json(Path(launch["mounts"]["prepared"]), prepared)
            except OSError as error:  # an exception's text does not reach the parent from here
                (folder / protocol.FAULT_FILE).write_text(
                    f"no sandbox: {error.strerror or error}\n", encoding="utf-8"
                )
                os._exit(OUR_FAULT)
        # last: a change of the process's rights resets it
        die_with_parent()

    with (
        open(folder / protocol.STDOUT_FILE, "wb") as out,
        open(folder / protocol.STDERR_FILE, "wb") as err,
    ):
        return subprocess.Popen(
            launch["command"],
            cwd=launch["cwd"],
            env=launch["environment"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
            preexec_fn=prepare,
        )


def fix_addresses() -> None:
    """Request a process without address space layout randomization, which not every container
    allows.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).personality(_NO_RANDOMISATION)


def _wait(script: subprocess.Popen, lifeline: int, deadline: float) -> bool:
    """Wait until the script has ended, without collecting it; return whether its time was over."""
    while True:
        if os.waitid(os.P_PID, script.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return False
        if select.select([lifeline], [], [], 0.02)[0]:  # nobody ever writes: the engine is gone
            end_program(script.pid)
            os.waitpid(script.pid, 0)
            end_orphans()
            os._exit(1)
        if time.monotonic() > deadline:
            return True


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))

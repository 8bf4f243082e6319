"""A backend without a framework, and a procedure that misbehaves on demand: for tests of our own
error handling.

Loaded in a guest as a third party's file. The backend trains nothing; what is tried is everything
around it.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import time
import types

from detaudit_probes import backends
from detaudit_probes.declare import Source, Unpin
from detaudit_probes.given import Unavailable

stub = types.ModuleType("detaudit_probes.backends.stub")
stub.IMPORTS = ()
stub.configure = lambda trial: None
stub.freshen = lambda value: None
stub.count_draws = lambda: None
stub.unseeded_draws = lambda: 0
stub.intra_op_threads = lambda: 1
stub.generator_states = lambda: []
stub.facts = lambda: {}
stub.read = lambda value: value
sys.modules["detaudit_probes.backends.stub"] = stub
backends.NAMES = backends.NAMES + ("stub",)

SOURCE = Source(
    id="fault",
    family="generators",
    title="a fault",
    breaks="",
    backends=("stub",),
    experiment=Unpin(models=("mlp",), procedure=True),
)

SLEEP = "import time; time.sleep(600)"


def asked(trial):
    """The own setting, JSON: which ``fault``, after how many ``steps``, and where ``pids`` go."""
    return json.loads(trial.own_setting("fault") or "{}")


def count_uses(trial):
    return 1


def train(trial, recorder):
    for step in range(asked(trial).get("steps", 3)):
        noise = float(os.urandom(1)[0]) if "FAULT_NOISE" in os.environ else 0.0
        recorder.trace.step("fit 1", step, [("update", "weight", [1.0 * step + noise])])
    getattr(sys.modules[__name__], asked(trial).get("fault", "nothing"))(trial)


def nothing(trial):
    pass


def differ(trial):
    raise RuntimeError("draw %d" % trial.draw)


def flood(trial):
    for _ in range(2048):
        sys.stderr.write("e" * 1023 + "\n")
    print("text on stdout")


def segfault(trial):
    os.kill(os.getpid(), signal.SIGSEGV)


def killed(trial):
    os.kill(os.getpid(), signal.SIGKILL)


def leave(trial):
    sys.exit(3)


def vanish(trial):
    os._exit(0)


def unavailable(trial):
    raise Unavailable("not on this machine")


def hang(trial):
    _grandchild(trial)
    time.sleep(600)


def orphan(trial):
    _grandchild(trial)


def runaway(trial):
    """A grandchild that leaves the process group and loses its parent."""
    command = [
        sys.executable,
        "-c",
        "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', %r], "
        "start_new_session=True, stdout=subprocess.DEVNULL).pid)" % SLEEP,
    ]
    with open(asked(trial)["pids"], "wb") as file:
        file.write(subprocess.check_output(command))


def runaway_and_hang(trial):
    runaway(trial)
    time.sleep(600)


def full_disk(trial):
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
    with open(os.path.join(trial.folder, "large"), "wb") as file:
        file.write(b"x" * (1 << 20))


def _grandchild(trial):
    child = subprocess.Popen([sys.executable, "-c", SLEEP])
    with open(asked(trial)["pids"], "w") as file:
        file.write("%d" % child.pid)

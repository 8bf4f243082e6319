"""The pinned clock moves only where it is asked by what is repeatable."""

import subprocess
import sys
from pathlib import Path

import detaudit_probes
import pytest

pytestmark = pytest.mark.wire

SCRIPT = """
import itertools, logging, queue, sys, types
from detaudit_probes.sources import clock
theano = types.ModuleType("theano.gof.compilelock")
exec("import time\\ndef wait():\\n    return time.time()", vars(theano))
session = types.SimpleNamespace(
    wrap=lambda *given: None,
    at_points=lambda function: None,
    after_import=lambda name, function: later.append(function) if name == "theano" else None,
    sites=types.SimpleNamespace(is_users=lambda file: False),
    own_setting=lambda source: None,
)
later = []
if sys.argv[1] == "pin":
    sys.modules[theano.__name__] = theano
    clock.pin(None)
else:
    clock.pin_script(session, "clock")
    sys.modules[theano.__name__] = theano
    for function in later:
        function()
import time
for _ in range(int(sys.argv[2])):
    logging.getLogger("theano").warning("waiting for a lock")
    theano.wait()
    try:
        queue.Queue().get(timeout=0.001)
    except queue.Empty:
        pass
kept = []
logging.getLogger().addHandler(types.SimpleNamespace(level=0, handle=lambda record: kept.append(record.created)))
logging.getLogger().error("a record")
print(time.time(), time.time(), theano.wait() > clock.START / 1e9 + 10**6, kept[0] - clock.START / 1e9 < 10)
"""


@pytest.mark.parametrize("way", ["pin", "pin_script"])
def test_waiting_and_what_is_logged_of_it_move_no_seed(way):
    """A library that waits for a lock asks for the time, and logs, as often as the machine's load
    makes it.
    """
    source = str(Path(detaudit_probes.__file__).parents[1])
    said = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT, way, times],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONPATH": source},
        ).stdout
        for times in ("0", "3")
    ]
    assert said[0] == said[1]
    first, second, waits_truly, ticks = said[0].split()
    assert 0.005 < float(second) - float(first) < 0.02  # it ticks, and is no constant
    assert (waits_truly, ticks) == ("True", "True")

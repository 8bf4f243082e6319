"""The engine may die at any moment, by any signal: no process of an audit outlives it."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.wire.test_children import alive

ENGINE = """
import os, sys
from pathlib import Path
from tests.wire.conftest import STUB, ask, condition
from detaudit.core.condition import Trial
from detaudit.execution.host import Interpreter
from detaudit.core.experiment import Asking
from detaudit.execution.limits import Limits
from detaudit.execution.runner import Runner

folder, fork = Path(sys.argv[1]), sys.argv[2] == "fork"
runner = Runner(Interpreter(sys.executable, "stub", fork, imports=False), Limits(2, 600),
                folder / "control", {**os.environ, **STUB})
runner.run([Asking(ask([Trial(condition(fault=sys.argv[3], pids=str(folder / "pids")), 0)]))])
"""


def started(folder, fork, fault):
    """An engine with a nest and a child that hangs, and all of their process ids."""
    engine = subprocess.Popen(
        [sys.executable, "-c", ENGINE, str(folder), fork, fault], cwd=os.getcwd()
    )
    deadline = time.monotonic() + 60
    while not (folder / "pids").exists() or not (folder / "pids").read_text():
        assert time.monotonic() < deadline and engine.poll() is None
        time.sleep(0.05)
    away = map(int, (folder / "pids").read_text().split())  # adopted by the nest, or by none
    return engine, list({*descendants(engine.pid), *away})


def descendants(pid):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    parent = int(file.read().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parent == pid:
                found += [int(entry), *descendants(int(entry))]
    return found


def assert_all_gone(pids):
    assert pids
    deadline = time.monotonic() + 10
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [pid for pid in pids if alive(pid)] == []


@pytest.mark.parametrize("fault", ["hang", "runaway_and_hang"])
@pytest.mark.parametrize("fork", ["fork", "isolate"])
def test_the_engine_killed_outright_takes_every_process_along(tmp_path, fork, fault):
    engine, pids = started(tmp_path, fork, fault)
    assert len(pids) >= 2  # a nest or a fresh process, and the grandchild
    engine.send_signal(signal.SIGKILL)
    engine.wait()
    assert_all_gone(pids)


def test_a_nest_killed_outright_takes_its_children_along(tmp_path):
    engine, pids = started(tmp_path, "fork", "hang")
    (nest,) = set(pids) - {pid for parent in pids for pid in descendants(parent)}
    grandchild = int((tmp_path / "pids").read_text())  # a child of our own is not our doing
    os.kill(nest, signal.SIGKILL)
    try:
        assert_all_gone(set(pids) - {nest, grandchild})
    finally:
        engine.kill()
        engine.wait()
        os.kill(grandchild, signal.SIGKILL)

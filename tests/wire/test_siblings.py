"""The children of a fork server, without a framework."""

import contextlib
import json
import subprocess
import sys

import psutil
import pytest

SERVER = """
import os, subprocess, sys, time
from detaudit_probes.forking import children

def child(run):
    pid = os.fork()
    if pid:
        return pid
    os.setsid()
    try:
        run()
        os._exit(0)
    finally:
        os._exit(1)

def start_a_daemon():
    # Its parent ends at once, so the fork server adopts it
    command = "import subprocess as s; print(s.Popen(['sleep', '30'], stdout=s.DEVNULL%s).pid)"
    command %= ", start_new_session=True" if sys.argv[3] == "session" else ""
    given = dict(os.environ, _DETAUDIT_TRIAL=sys.argv[2])
    pid = int(subprocess.check_output([sys.executable, "-c", command], env=given))
    open(os.path.join(sys.argv[2], "begun"), "w").close()
    time.sleep(1)
    os.kill(pid, 0)
    with open(os.path.join(sys.argv[2], "pid"), "w") as file:
        file.write(str(pid))

def end_soon():
    while not os.path.exists(os.path.join(sys.argv[2], "begun")):
        time.sleep(0.01)

children.adopt_orphans()
running = children.Children()
running.add(child(end_soon), sys.argv[1], 60)
running.add(child(start_a_daemon), sys.argv[2], 60)
while running:
    running.look()
    time.sleep(0.01)
"""


@pytest.mark.parametrize("of_its_own", ["group", "session"])
def test_a_child_that_ends_does_not_end_what_another_has_started(tmp_path, of_its_own):
    folders = [tmp_path / "ends", tmp_path / "serves"]
    for folder in folders:
        folder.mkdir()
    command = [sys.executable, "-c", SERVER, *map(str, folders), of_its_own]
    subprocess.run(command, check=True, timeout=20)
    assert all(json.loads((folder / "exit.json").read_text())["status"] == 0 for folder in folders)
    pid = int((folders[1] / "pid").read_text())
    with contextlib.suppress(psutil.NoSuchProcess):
        assert psutil.Process(pid).status() == psutil.STATUS_ZOMBIE

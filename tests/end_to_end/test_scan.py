"""`detaudit scan` on the installed TensorFlow, as a user runs it."""

import hashlib
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from detaudit.machine import gpu

from tests.end_to_end.conftest import SHORT, command
from tests.slow import slow
from tests.wire.test_children import alive

pytestmark = pytest.mark.end_to_end


def test_a_short_scan_says_what_it_saw(detaudit, tmp_path):
    ran = detaudit(
        "scan", *SHORT, "--markdown", str(tmp_path / "r.md"), "--junit", str(tmp_path / "r.xml")
    )
    assert ran.code == 0, ran.err
    assert "about" in ran.err.splitlines()[0]  # how long it should take, before the work
    (verdict,) = ran.report["verdicts"]
    assert (verdict["source"], verdict["verdict"], verdict["pin"]) == (
        "python-random",
        "needs-pin",
        "python-random",
    )
    assert verdict["divergence"]["stage"] == "init"
    assert ran.report["control"] and ran.report["outcome"] == "ok" and ran.report["exit_code"] == 0
    assert all(trial["outcome"] == "completed" for trial in ran.report["trials"])
    assert "needs-pin" in (tmp_path / "r.md").read_text()
    assert "<testsuite" in (tmp_path / "r.xml").read_text()
    again = detaudit("report", str(tmp_path / "report.json"))
    assert again.code == 0 and again.out == ran.out


@slow
def test_strict_and_something_asked_for_that_cannot_be_tried(detaudit):
    assert detaudit("scan", *SHORT, "--strict").code == 1
    ran = detaudit("scan", "--only", "gpu-to-gpu")
    assert ran.code == 3
    assert ran.report["verdicts"][0]["verdict"] == "skipped"
    assert ran.report["outcome"] == "inconclusive"


@pytest.mark.parametrize("arguments", [("scan", "--quick"), ("ops",)])
def test_a_gpu_that_is_not_there_is_asked_for_once(detaudit, arguments):
    if gpu.present(gpu.snapshot()):
        pytest.skip("there is a GPU here")
    ran = detaudit(*arguments, "-v", "--device", "gpu")
    assert ran.code == 3
    sentence = ran.err.splitlines()[-1]
    assert sentence.startswith("No GPU is visible to TensorFlow") and "detaudit machine" in sentence
    trials = re.findall(r"^trial \d+", ran.err, re.MULTILINE)
    # One, and not a trial for every source
    assert trials == ["trial 1"]


def test_a_spent_budget_is_not_a_pass(detaudit):
    ran = detaudit("scan", "--budget", "1")
    assert ran.code == 3
    assert ran.report["outcome"] == "inconclusive"


@slow
def test_quiet_prints_nothing(detaudit):
    ran = detaudit("scan", *SHORT, "--quiet")
    assert (ran.out, ran.err, ran.code) == ("", "", 0)


@slow
def test_an_interruption_leaves_no_process_and_can_be_resumed(tmp_path):
    scan = subprocess.Popen(
        [command(), "scan", "--only", "intra-op-threads"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
    )
    lines = []
    while not any("Testing every source" in line for line in lines):  # the control has been run
        lines.append(scan.stderr.readline())
        assert lines[-1], "the scan ended early"
    from tests.wire.test_death import descendants

    pids = descendants(scan.pid)
    scan.send_signal(signal.SIGINT)
    _, err = scan.communicate(timeout=60)
    assert scan.returncode == 130
    assert pids and not any(alive(pid) for pid in pids)
    saved = err.split("--resume ")[1].split()[0]
    assert Path(saved).exists()
    assert "Traceback" not in err

    precious = Path(saved).with_name("thesis.txt")
    precious.write_text("not yours")
    for other in (["--seed", "2"], ["--isolate"]):  # refused: those trials were others
        refused = subprocess.run(
            [command(), "scan", *other, "--resume", saved],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert refused.returncode == 2 and "changed since" in refused.stderr
        assert Path(saved).exists()

    pasted = shlex.split(err.splitlines()[-1])
    assert pasted[1:] == ["scan", "--resume", saved, "--only", "intra-op-threads"]
    resumed = subprocess.run(
        [command(), *pasted[1:]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert resumed.returncode == 0, resumed.stderr
    assert "intra-op-threads" in resumed.stdout
    assert not Path(saved).exists()  # nothing of ours is left behind once it is done
    assert [path.name for path in precious.parent.iterdir()] == ["thesis.txt"]

    refused = subprocess.run(
        [command(), "scan", "--resume", saved],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 2


@slow
def test_two_scans_at_once(tmp_path):
    scans = [
        subprocess.Popen(
            [command(), "scan", *SHORT, "--json", f"{number}.json"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for number in range(2)
    ]
    assert [scan.wait(timeout=600) for scan in scans] == [0, 0]


def test_scanning_changes_nothing_in_the_environment_nor_in_an_empty_home(detaudit, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    packages = Path(sys.prefix) / "lib"
    before = listing(packages)
    ran = detaudit("scan", *SHORT, "--python", sys.executable, HOME=str(home))
    assert ran.code == 0, ran.err
    assert list(home.rglob("*")) == []
    after = listing(packages)
    assert after == before
    assert len(before) > 1000


def listing(folder: Path) -> dict[str, str]:
    """Every file with its size, time and, but for the very large ones, the hash of its content."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode):
            content = path.read_bytes() if status.st_size < 50_000_000 else b""
            found[str(path)] = (
                f"{status.st_size} {status.st_mtime_ns} {hashlib.blake2b(content).hexdigest()[:20]}"
            )
    return found


@slow
def test_a_home_that_cannot_be_read_or_written(detaudit, tmp_path):
    home = tmp_path / "closed"
    home.mkdir(mode=0o000)
    try:
        assert detaudit("scan", *SHORT, HOME=str(home)).code == 0
        assert detaudit("scan", *SHORT, HOME=str(tmp_path / "missing")).code == 0
    finally:
        home.chmod(0o700)


@slow
def test_a_full_disk_is_reported_in_a_sentence(tmp_path):
    """Files may not grow beyond 64 KiB: as good as a full disk for a trace."""
    limited = (
        "import resource, os, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536)); "
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", limited, command(), "scan", *SHORT, "--json", "r.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert ran.returncode in (2, 3)
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "r.json").exists() or (tmp_path / "r.json").stat().st_size > 0


def test_no_framework_in_the_interpreter_under_test(detaudit, tmp_path):
    import venv

    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    began = time.monotonic()
    ran = detaudit("scan", "--python", str(tmp_path / "bare" / "bin" / "python"))
    assert ran.code == 3
    assert "has no numpy" in ran.err and "Traceback" not in ran.err
    assert time.monotonic() - began < 60

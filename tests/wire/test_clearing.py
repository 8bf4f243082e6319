"""What a killed audit leaves is cleared away by the next start, and nothing else is."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from detaudit.execution import claims, clearing
from detaudit.execution.sandbox import choice
from detaudit.execution.workspace import KEPT, SHORT, workspace

from tests.wire.test_children import alive

SLOW = """
import os, subprocess, sys, time
code = "import os, time; os.setsid(); print(os.getpid(), flush=True); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
print(child.stdout.readline(), flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """Where audits make their folders: a disk, and a memory."""
    for name in ("tmp", "memory"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(clearing, "MEMORY", tmp_path / "memory")
    monkeypatch.setattr(choice, "MEMORY", tmp_path / "memory")
    return tmp_path / "tmp", tmp_path / "memory"


def dead(prefix=SHORT, **how) -> Path:
    claim = claims.make(prefix, **how)
    (claim.path / "r").mkdir()
    claim.release()
    return claim.path


def test_the_folder_of_a_dead_audit_goes_and_that_of_a_living_one_stays():
    gone = dead()
    with workspace(prefix=SHORT) as living:
        assert list(clearing.clear()) == []
        assert not gone.exists() and living.path.exists()


def test_an_interruption_while_a_folder_is_removed_leaves_none(places, monkeypatch):
    """This happened: it fell between the first question to an interpreter and the first run."""
    given, interrupted = shutil.rmtree, []

    def rmtree(path, **how):
        if not interrupted:
            interrupted.append(path)
            raise KeyboardInterrupt
        given(path, **how)

    monkeypatch.setattr(shutil, "rmtree", rmtree)
    with pytest.raises(KeyboardInterrupt), workspace():
        pass
    assert interrupted and list(places[0].iterdir()) == []


def test_a_folder_that_is_kept_or_not_ours_stays(places):
    temporary, _ = places
    kept, spared = dead(), dead()
    (kept / KEPT).touch()
    other = temporary / "d-elses"
    (other / "r").mkdir(parents=True)
    linked = temporary / "d-link"
    linked.symlink_to(spared)
    assert list(clearing.clear(spared)) == []
    assert sorted(path.name for path in temporary.iterdir()) == sorted(
        path.name for path in (kept, spared, other, linked)
    )


def test_layers_in_memory_go_with_the_audit_they_belong_to(places):
    _, memory = places
    with workspace(prefix=SHORT) as living:
        ours = dead("detaudit-", place=memory, owner=str(living.path))
        others = dead("detaudit-", place=memory, owner="/nowhere")
        list(clearing.clear())
        assert ours.exists() and not others.exists()
    list(clearing.clear())
    assert not ours.exists()


def test_a_lock_that_another_process_holds_is_respected(places):
    code = (
        "import sys, time\nfrom detaudit.execution import claims\n"
        "claim = claims.make('d-')\nprint(claim.path, flush=True)\ntime.sleep(600)"
    )
    own = {**os.environ, "TMPDIR": str(places[0])}
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=own)
    folder = Path(process.stdout.readline().decode().strip())
    list(clearing.clear())
    assert folder.exists()
    process.kill()
    process.wait()
    list(clearing.clear())
    assert not folder.exists()


@pytest.mark.parametrize("variable", ["_DETAUDIT_TRIAL", "_DETAUDIT_NEST"])
def test_what_still_runs_of_a_dead_audit_is_ended(variable):
    folder = dead()
    own = {**os.environ, variable: f"{folder}/r/nest-00000/trials/00001"}
    process = subprocess.Popen(["sleep", "600"], env=own, start_new_session=True)
    list(clearing.clear())
    assert process.wait(timeout=10) == -signal.SIGKILL


# A whole command ----------------------------------------------------------------------------------


def run(tmp_path, *options):
    own = {"TMPDIR": str(tmp_path / "tmp"), "XDG_STATE_HOME": str(tmp_path / "state")}
    return subprocess.Popen(
        [sys.executable, "-m", "detaudit", "run", "--no-search", "--pairs", "1", *options],
        cwd=tmp_path / "project",
        env={**os.environ, **own},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def killed_once_there_is(tmp_path, pattern):
    """An audit that is killed when a file of that pattern has a text, which is returned."""
    audit = run(tmp_path, "train.py")
    text = awaited(tmp_path, pattern)
    audit.send_signal(signal.SIGKILL)
    audit.communicate()
    return text


def awaited(tmp_path, pattern):
    deadline = time.monotonic() + 60
    while not (found := [one.read_text() for one in (tmp_path / "tmp").glob(pattern)]) or not any(
        found
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return next(text for text in found if text)


@pytest.fixture
def project(tmp_path):
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def test_a_killed_audit_leaves_no_process_and_the_next_start_no_folder(project, tmp_path):
    (project / "train.py").write_text(SLOW)
    grandchild = int(killed_once_there_is(tmp_path, "d-*/r/*/trials/*/stdout"))
    assert_gone(grandchild)
    assert list((tmp_path / "tmp").iterdir())
    (project / "train.py").write_text("")
    run(tmp_path, "train.py").communicate(timeout=120)
    assert list((tmp_path / "tmp").iterdir()) == []


def parent_of(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def assert_gone(*pids):
    deadline = time.monotonic() + 10
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [pid for pid in pids if alive(pid)] == []


def test_a_script_ends_with_the_process_that_looks_after_it(project, tmp_path):
    """And what it has started in a session of its own with the engine, at the latest."""
    (project / "train.py").write_text(SLOW)
    audit = run(tmp_path, "train.py")
    grandchild = int(awaited(tmp_path, "d-*/r/*/trials/*/stdout"))
    script = parent_of(grandchild)
    supervisor = parent_of(script)
    os.kill(supervisor, signal.SIGTERM)  # as a batch system does to every process
    time.sleep(0.3)
    assert alive(supervisor) and alive(script)
    os.kill(supervisor, signal.SIGKILL)
    assert_gone(script)
    audit.send_signal(signal.SIGTERM)
    audit.communicate(timeout=60)
    assert_gone(grandchild)


def test_a_crowd_of_daemons_is_ended(project, tmp_path):
    start = "import subprocess\nfor _ in range(60):\n    process = subprocess.Popen("
    (project / "train.py").write_text(
        f"{start}['sleep', '600'], start_new_session=True)\n    print(process.pid, flush=True)\n"
    )
    kept = tmp_path / "kept"
    run(tmp_path, "--keep", str(kept), "train.py").communicate(timeout=120)
    printed = [path.read_text().split() for path in kept.glob("r/*/trials/*/stdout")]
    assert len(printed) >= 2 and all(len(pids) == 60 for pids in printed)
    assert_gone(*(int(pid) for pids in printed for pid in pids))


def test_finished_trials_of_a_killed_audit_are_offered_once_and_taken_up(project, tmp_path):
    script = "import os, time\nopen('own', 'w')\nprint('done')\n"
    (project / "train.py").write_text(script)
    killed_once_there_is(tmp_path, "d-*/r/nest-00001/trials/00002/request.json")
    (folder,) = (tmp_path / "tmp").iterdir()
    said, _ = run(tmp_path, "train.py").communicate(timeout=120)
    assert f"--resume {folder}/resume.jsonl" in said and "1 finished trial" in said
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_dir()}
    assert {name for name in names if "nest-00001" in name or "private" in name} == set()
    said, _ = run(tmp_path, "train.py").communicate(timeout=120)
    assert "--resume" not in said
    said, _ = run(tmp_path, "--resume", f"{folder}/resume.jsonl", "train.py").communicate()
    assert "Reusing 1 finished trial" in said
    assert list((tmp_path / "tmp").iterdir()) == []


def test_two_processes_do_not_go_on_with_one_audit(tmp_path):
    folder = dead()
    from detaudit.errors import UsageError

    with (
        workspace(folder) as first,
        pytest.raises(UsageError, match="Another detaudit is using"),
        workspace(first.path),
    ):
        pass


def test_a_process_that_is_about_to_run_another_program_is_looked_at_again(tmp_path, monkeypatch):
    looked = []

    class Entry(type(tmp_path)):
        def read_bytes(self):
            looked.append(self.parent.name)
            return b"" if looked.count(self.parent.name) < 3 else super().read_bytes()

        def glob(self, pattern):
            return [Entry(one) for one in super().glob(pattern) if one.name == str(process.pid)]

    folder = dead()
    own = {**os.environ, "_DETAUDIT_TRIAL": f"{folder}/r/nest-00000/trials/00001"}
    process = subprocess.Popen(["sleep", "600"], env=own, start_new_session=True)
    monkeypatch.setattr(clearing, "Path", Entry)
    clearing.end_processes(folder)
    assert process.wait(timeout=10) == -signal.SIGKILL
    assert len(looked) == 3

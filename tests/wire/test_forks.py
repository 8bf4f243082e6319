"""Runs from a nest of the user's program, with a module that stands in for a framework."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import detaudit_probes
import pytest
from detaudit.execution.sandbox.overlay import Overlay
from detaudit.execution.sandbox.view import Start
from detaudit_probes.sources import SCRIPT_PINS

from tests.forks import Audited, printed, was_forked
from tests.wire.conftest import usable
from tests.wire.test_children import alive
from tests.wire.test_death import assert_all_gone, descendants
from tests.wire.test_interpreters import old_interpreter
from tests.wire.test_sandbox import state_of
from tests.wire.test_script import DRAWS

#: It draws while it is imported, as libraries do.
FRAMEWORK = """
import os, random, time
random.random(), time.time(), os.urandom(3)
class utils:
    class PyDataset: pass
"""


def installed(folder):
    """The variables with which a script finds the framework outside of its own folder."""
    (folder / "library").mkdir(parents=True)
    (folder / "library" / "tf_keras.py").write_text(FRAMEWORK)
    return {"PYTHONPATH": str(folder / "library")}


@pytest.fixture
def audited(tmp_path):
    usable("overlay", tmp_path)
    opened = []

    def begin(text, **how):
        folder = tmp_path / str(len(opened))
        opened.append(Audited(folder, text, environment=installed(folder), **how))
        return opened[-1]

    yield begin
    for audit in opened:
        audit.close()


def test_a_forked_run_sees_what_a_fresh_one_sees(audited):
    text = """
        import os, sys
        print("before")
        os.environ["MINE"] = "1"
        import tf_keras, helper
        print(sys.argv[1:], os.getcwd(), sys.path, __name__, __file__, helper.__name__, sys.stdin.read())
        print(sorted(name for name in os.environ if name != "TMPDIR"), os.listdir("."))
        print(sorted(os.listdir("/proc/self/fd")), os.getpgid(0) == os.getsid(0) == os.getpid())
        loaded = {name.partition(".")[0] for name in sys.modules}
        print(len(sys.meta_path), sorted(loaded - set(sys.stdlib_module_names)))
    """
    audit = audited(text, arguments=("--lr", "0.1"), files={"helper.py": ""})
    (fresh,) = audit.fresh()
    forked = audit.forked(runs=4)
    assert not audit.forks.note()
    assert [was_forked(run) for run in (fresh, *forked)] == [False] + [True] * 4
    for run in forked:
        assert printed(run).splitlines() == printed(fresh).splitlines()
    assert not audit.forks.note()


def test_what_forked_runs_write_stays_in_their_sandboxes(audited):
    text = """
        import os
        open("early.txt", "a").write("x")
        import tf_keras
        print(open("early.txt").read(), sorted(os.listdir(".")), os.path.exists("late.txt"))
        open("early.txt", "a").write("y")
        open("late.txt", "w").write("z")
        os.remove("helper.py")
    """
    audit = audited(text, files={"helper.py": "", "data/a.txt": "1"})
    before = state_of(audit.root)
    (fresh,) = audit.fresh()
    forked = audit.forked(runs=4)
    assert all(map(was_forked, forked))
    assert {printed(run) for run in forked} == {printed(fresh)}
    written = {tuple(run.trace.note("written.json")) for run in (fresh, *forked)}
    assert written == {("early.txt", "helper.py", "late.txt")}
    assert state_of(audit.root) == before


GENERATORS = {
    "random": "import random; print(random.random())",
    "unseeded": "import random; print(random.Random().random())",
    "entropy": "import os; print(os.urandom(8))",
    "uuid": "import uuid; print(uuid.uuid4())",
    "temporary": "import tempfile, os; print(os.path.basename(tempfile.mkdtemp()))",
    "clock": "import time; print(time.time())",
    "process": "import os; print(os.getpid())",
}


@pytest.mark.parametrize("name", GENERATORS)
def test_forked_runs_draw_each_for_itself(audited, name):
    audit = audited("import random, tempfile\nimport tf_keras\n" + GENERATORS[name])
    forked = audit.forked(runs=4)
    assert all(map(was_forked, forked))
    assert len({printed(run) for run in forked}) == 4


def test_temporary_files_that_the_program_makes_before_the_fork_are_removed(
    audited, tmp_path, monkeypatch
):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    audit = audited(
        "import os, tempfile\nmade = os.path.join(tempfile.gettempdir(), 'mine')\n"
        "os.mkdir(made)\nimport tf_keras\nprint(made)"
    )
    made = {Path(printed(run).strip()) for run in audit.forked(runs=2)}
    assert len(made) == 2 and all(path.exists() for path in made)
    assert not any(path.is_relative_to(tmp_path / "tmp") for path in made)
    audit.close()
    assert not any(path.exists() or path.parent.exists() for path in made)


def test_a_hash_seed_is_one_for_each_of_the_two_nests(audited):
    forked = audited("import tf_keras\nprint(hash('x'))").forked(runs=4)
    lines = [printed(run) for run in forked]
    assert lines[0] == lines[2] != lines[1] == lines[3]
    pinned = audited("import tf_keras\nprint(hash('x'))").forked("hash-seed", runs=2)
    assert len({printed(run) for run in pinned}) == 1 and all(map(was_forked, pinned))


NAMED = """
    from random import random
    from time import time, perf_counter
    from os import urandom, listdir
    from datetime import datetime
    import tf_keras
    print(random(), time(), perf_counter(), urandom(3), listdir("."), datetime.now())
"""


@pytest.mark.parametrize("text", [*DRAWS.values(), NAMED], ids=[*DRAWS, "by name"])
def test_pinned_forked_runs_print_what_pinned_fresh_ones_print(audited, text):
    imports = "" if text is NAMED else "import tf_keras\n"
    audit = audited(imports + text)
    (fresh,) = audit.fresh(*SCRIPT_PINS)
    forked = audit.forked(*SCRIPT_PINS)
    assert all(map(was_forked, forked)) and not audit.forks.note()
    assert {printed(run) for run in forked} == {printed(fresh)}


SEEDED = """
    import random
    random.seed(7)
    first = random.random()
    import tf_keras
    print(first, random.random())
"""


def test_a_generator_that_the_first_lines_seeded_stays_as_it_is(audited):
    audit = audited(SEEDED)
    runs = [*audit.fresh(), *audit.forked(), *audit.forked("python-random")]
    assert list(map(was_forked, runs)) == [False] + [True] * 4
    assert len({printed(run) for run in runs}) == 1


def test_a_generator_that_the_first_lines_draw_from_is_searched_in_fresh_processes(audited):
    audit = audited(SEEDED.replace("random.seed(7)", ""))
    runs = audit.forked(runs=4)
    assert len({printed(run) for run in runs}) == 4 and not any(map(was_forked, runs))
    assert "draws random numbers before its import of tf_keras" in audit.forks.note()


OBSTACLES = {
    "it starts a thread": "import threading, time\n"
    "threading.Thread(target=time.sleep, args=(30,), daemon=True).start()",
    "it keeps a file open": "log = open('log.txt', 'w')",
    "it opens a connection": "import socket; s = socket.socket()",
    "it starts a process": "import subprocess; p = subprocess.Popen(['sleep', '5'])",
    "it uses os-entropy": "import os; os.urandom(3)",
    "it uses temporary-folder": "import tempfile; tempfile.mkdtemp()",
    "it sets a timer": "import signal; signal.setitimer(signal.ITIMER_REAL, 60)",
    "it shares memory": "import mmap; m = mmap.mmap(-1, 100)",
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_a_program_that_cannot_be_forked_says_why_and_runs_as_ever(audited, obstacle):
    audit = audited(OBSTACLES[obstacle] + "\nimport tf_keras\nprint('ran')")
    runs = audit.forked()
    assert [printed(run) for run in runs] == ["ran\n"] * 2 and not any(map(was_forked, runs))
    note = audit.forks.note()
    assert obstacle in note and note.endswith("before its import of tf_keras has ended")


def test_a_script_that_imports_no_framework(audited):
    audit = audited("print('ran')")
    assert not any(map(was_forked, audit.forked()))
    assert not audit.forks.usable and audit.forks.note() == ""


ONLY_FORKED = """
    import os, signal, subprocess, sys, time
    forked = "_DETAUDIT_NEST" in os.environ
    import tf_keras
    if forked:
        {}
    print("ran")
"""


def test_a_forked_run_that_hangs_is_ended_and_run_again(audited, monkeypatch):
    from detaudit.execution.program import nests

    monkeypatch.setattr(nests, "GRACE", 0.5)
    audit = audited(ONLY_FORKED.format("time.sleep(100)"))
    runs = audit.forked()
    assert [printed(run) for run in runs] == ["ran\n"] * 2 and not any(map(was_forked, runs))
    assert "did not end in time" in audit.forks.note()
    assert not [pid for pid in descendants(os.getpid()) if "train.py" in command(pid)]


def test_a_forked_run_that_is_killed_is_run_again(audited):
    audit = audited(ONLY_FORKED.format("os.kill(os.getpid(), signal.SIGKILL)"))
    runs = audit.forked()
    assert [printed(run) for run in runs] == ["ran\n"] * 2 and not any(map(was_forked, runs))
    assert "died from SIGKILL" in audit.forks.note()


def test_a_nest_that_ends_before_its_point(audited):
    text = ONLY_FORKED.replace("import tf_keras", "if forked: sys.exit(3)\n    import tf_keras")
    audit = audited(text.format("pass"))
    runs = audit.forked()
    assert [printed(run) for run in runs] == ["ran\n"] * 2 and not any(map(was_forked, runs))
    assert "exited with status 3" in audit.forks.note()


def test_a_script_that_fails_after_the_fork_fails(audited):
    text = "import os, tf_keras\nif os.path.exists('data'): raise ValueError(5)"
    audit = audited(text)
    audit.fresh()
    (audit.root / "data").mkdir()
    runs = audit.forked()
    assert all(map(was_forked, runs)) and {run.outcome.kind for run in runs} == {"failed"}
    assert not audit.forks.note()


def test_what_a_forked_run_leaves_behind_is_ended(audited):
    text = """
        import subprocess, tf_keras
        print(subprocess.Popen(["sleep", "100"], start_new_session=True).pid)
    """
    for run in audited(text).forked():
        assert was_forked(run) and not alive(int(printed(run)))


def test_nests_are_not_closed_and_opened_again_in_turn(audited):
    audit = audited("import tf_keras\nprint('ran')")
    for number in range(1, 4):
        for pins in ((), ("hash-seed",)):
            assert all(map(was_forked, audit.forked(*pins, runs=2 * number)))
    assert len(list(audit.runner.control.glob("*/trials/00000"))) == 4


#: The first process enters a view and becomes a program, whose child enters a second view over it.
ENTERS = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
from detaudit_probes.forking import mounts
plans, number = json.load(open(sys.argv[2])), int(sys.argv[3])
if os.fork() == 0:
    mounts.enter(plans[number])
    print(sorted(os.listdir(".")), flush=True)
    open("written %d" % number, "w").close()
    os.unlink("data %d" % number)
    if number == 0:
        os.execv(sys.executable, [sys.executable, "-c", sys.argv[4], *sys.argv[1:3], "1", ""])
    os._exit(0)
status = os.wait()[1]
print(sorted(os.listdir(".")), flush=True)
os._exit(status and 1)
"""


@pytest.mark.parametrize("user", ["this", "ordinary"])
def test_a_child_enters_a_view_of_its_own_over_what_its_nest_has_written(tmp_path, user):
    usable("overlay", tmp_path)
    python = sys.executable if user == "this" else shutil.which("python3", path="/usr/bin")
    if python is None or (user == "ordinary" and os.getuid() != 0):
        pytest.skip("no interpreter that an ordinary user can start, or we are one")
    with tempfile.TemporaryDirectory() as place:
        root, ours = Path(place, "root"), Path(place, "ours")
        root.mkdir()
        for number in range(2):
            (root / f"data {number}").touch()
        overlay = Overlay(root, (ours,))
        (ours / "nest").mkdir(parents=True)
        (ours / "trial").mkdir()
        plans = [
            overlay.view(ours / "nest", Start()).plan,
            overlay.view_over(ours / "trial", ours / "nest").plan,
        ]
        (ours / "plans.json").write_text(json.dumps(plans))
        # An ordinary user may not enter the folder that this checkout lies in.
        guest = Path(place, "guest")
        shutil.copytree(Path(detaudit_probes.__file__).parent, guest / "detaudit_probes")
        owner = 65534 if user == "ordinary" else os.getuid()
        for path in [Path(place), *Path(place).rglob("*")]:
            os.chown(path, owner, owner)
        done = subprocess.run(
            [python, "-c", ENTERS, str(guest), str(ours / "plans.json"), "0", ENTERS],
            cwd=root,
            capture_output=True,
            text=True,
            user=owner,
            group=owner,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == [
            "['data 0', 'data 1']",
            "['data 1', 'written 0']",
            "['data 1', 'written 0']",
            "['data 0', 'data 1']",
        ]
        assert overlay.written(ours / "trial") == ("data 0", "data 1", "written 0", "written 1")
        overlay.close()


def test_a_script_that_starts_itself_again_with_a_fixed_hash_seed(audited):
    text = """
        import os, sys
        if os.environ.get("PYTHONHASHSEED") != "5":
            os.environ["PYTHONHASHSEED"] = "5"
            os.execv(sys.executable, [sys.executable, *sys.argv])
        import tf_keras
        print(hash("x"))
    """
    audit = audited(text)
    runs = [*audit.fresh(), *audit.forked()]
    assert list(map(was_forked, runs)) == [False, True, True]
    assert len({printed(run) for run in runs}) == 1


def test_a_working_folder_that_the_first_lines_changed(audited):
    text = "import os\nos.chdir('data')\nimport tf_keras\nopen('x', 'w')\nprint(sorted(os.listdir('.')))"
    audit = audited(text, files={"data/a.txt": ""})
    runs = audit.forked()
    assert all(map(was_forked, runs)) and not (audit.root / "data" / "x").exists()
    assert {printed(run) for run in runs} == {"['a.txt', 'x']\n"}


@pytest.mark.parametrize("version", ["3.6", "3.8", "3.13"])
def test_other_versions_of_python(audited, version):
    text = "import tf_keras, random\nprint(random.random())\nopen('new', 'w').close()"
    audit = audited(text, python=old_interpreter(version))
    unpinned, pinned = audit.forked(runs=4), audit.forked("python-random")
    assert all(map(was_forked, [*unpinned, *pinned])), audit.forks.note()
    assert len({printed(run) for run in unpinned}) == 4
    assert {printed(run) for run in pinned} == {printed(*audit.fresh("python-random"))}
    assert not (audit.root / "new").exists()


def command(pid):
    try:
        with open(f"/proc/{pid}/cmdline") as file:
            return file.read()
    except OSError:
        return ""


ENGINE = """
import sys
from pathlib import Path
from tests.forks import Audited
text = "import tf_keras, subprocess, os, time\\n" \\
       "subprocess.Popen(['sleep', '100'], start_new_session=True)\\n" \\
       "if '_DETAUDIT_TRIAL' in os.environ and os.path.exists('hang'): time.sleep(100)"
from tests.wire.test_forks import installed
folder = Path(sys.argv[1]) / "audit"
audit = Audited(folder, text, environment=installed(folder))
audit.fresh()
(audit.root / "hang").touch()
print("begins", flush=True)
audit.forked()
"""


@pytest.mark.parametrize("victim", ["engine", "nest"])
def test_no_process_outlives_the_engine_or_its_nest(tmp_path, victim):
    usable("overlay", tmp_path)
    engine = subprocess.Popen(
        [sys.executable, "-c", ENGINE, str(tmp_path)], cwd=os.getcwd(), stdout=subprocess.PIPE
    )
    try:
        assert engine.stdout.readline() == b"begins\n"
        deadline = time.monotonic() + 60
        while len(sleepers := [p for p in descendants(engine.pid) if "sleep" in command(p)]) < 2:
            assert time.monotonic() < deadline and engine.poll() is None
            time.sleep(0.05)
        pids = descendants(engine.pid)
        if victim == "engine":
            engine.send_signal(signal.SIGKILL)
            engine.wait()
            assert_all_gone(pids)
        else:
            scripts = [pid for pid in pids if "train.py" in command(pid)]
            nests = [pid for pid in scripts if set(descendants(pid)) & set(scripts)]
            assert len(nests) == 2
            below = {pid: descendants(pid) for pid in nests}
            os.kill(nests[0], signal.SIGKILL)
            assert_all_gone(below[nests[0]])
        assert sleepers
    finally:
        engine.kill()
        engine.wait()


def test_shared_memory_of_a_forked_run_that_is_ended_early_is_unlinked(audited):
    name = f"detaudit-{os.getpid()}-"
    text = f"""
        import os
        import tf_keras
        from multiprocessing import Process, shared_memory
        Process(target=lambda: __import__("time").sleep(600)).start()
        shared_memory.SharedMemory(create=True, size=10, name="{name}%d" % os.getpid())
        os._exit(3)
    """
    audit = audited(text)
    audit.fresh()
    assert not any(run.outcome.completed for run in audit.forked(runs=2))
    assert not list(Path("/dev/shm").glob(name + "*"))


def test_pinned_runs_see_their_temporary_folders_under_one_path(audited):
    """A program may hash the whole path; what is in the folder is each run's own."""
    text = """
        import tf_keras, os, tempfile
        folder = tempfile.gettempdir()
        print(folder, os.listdir(folder), tempfile.mkdtemp(), tempfile.mkstemp()[1], sorted(os.listdir(folder)))
    """
    audit = audited(text)
    runs = [*audit.fresh("temporary-names", runs=2), *audit.forked("temporary-names", first=2)]
    assert list(map(was_forked, runs)) == [False] * 2 + [True] * 2
    assert len({printed(run) for run in runs}) == 1 and " [] " in printed(runs[0])
    unpinned = audit.fresh("hash-seed", runs=2, first=4)
    assert len({printed(run) for run in unpinned}) == 2
    audit.close()
    assert not any((audit.root.parent / "ours" / "temp").glob("*"))

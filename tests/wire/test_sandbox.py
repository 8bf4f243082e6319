"""What runs do to the user's folder: nothing, under every isolation, whatever lies in it."""
import contextlib
import hashlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from detaudit.condition import Condition, Trial
from detaudit.nests import Interpreter
from detaudit.runner import Asking, Limits, Runner
from detaudit.sandbox import choice, copies, in_place, mounts
from detaudit.sandbox.errors import SandboxFailed
from detaudit.sandbox.view import COPY, IN_PLACE, KINDS, OVERLAY
from detaudit.script import program, session
from detaudit.script.program import Program

from tests.wire.conftest import ask


def state_of(folder: Path) -> dict[str, tuple]:
    """Everything in a folder: bytes, mode, time of change, and what a link leads to."""
    found = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        status = path.lstat()
        content = ""
        if path.is_symlink():
            content = os.readlink(path)
        elif stat.S_ISREG(status.st_mode):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        found[str(path.relative_to(folder))] = (content, status.st_mode, status.st_mtime_ns)
    return found


@pytest.fixture(autouse=True)
def journals(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture(params=KINDS)
def kind(request, tmp_path):
    if request.param == OVERLAY:
        (tmp_path / "try").mkdir()
        (tmp_path / "ours").mkdir()
        overlay, reason = choice.mountable(tmp_path / "try", tmp_path / "ours")
        if overlay is None:
            pytest.skip(f"no overlay can be mounted here: {reason}")
    return request.param


class Audited:
    """Runs of a script in ``folder``, under one isolation."""

    def __init__(self, tmp_path: Path, kind: str, folder: Path, script: str = "train.py"):
        self.ours = tmp_path / "ours"
        self.ours.mkdir(exist_ok=True)
        self.program = program.find(script, False, (), folder)
        self.sandboxed = program.Sandboxed(
            choice.choose(self.program.root, self.ours, kind, session._beside(self.program)).sandbox)
        self.runner = Runner(
            Interpreter(sys.executable, "tensorflow", fork=False), Limits(1, 60.0), self.ours / "run", dict(os.environ),
            keep_bytes=False, open_nest=lambda *given: program.Process(self.program, *given, None, self.sandboxed))

    def finished(self, number: int = 0, **options):
        condition = Condition("tensorflow", "auto", "train.py", 1).with_options(options)
        trial = Trial(condition, number)
        asking = Asking(ask([trial]))
        self.runner.run([asking])
        (done,) = asking.finding
        assert done.outcome.completed, done.outcome
        return done

    def run(self, number: int = 0, **options):
        return (self.finished(number, **options).trace.folder / "stdout").read_text()

    def close(self):
        self.runner.close()
        self.sandboxed.sandbox.close()


@pytest.fixture
def audited(tmp_path, kind):
    with contextlib.ExitStack() as opened:
        def begin(text: str, script: str = "train.py") -> Audited:
            folder = tmp_path / "project"
            folder.mkdir(exist_ok=True)
            if not (folder / script).exists():
                (folder / script).write_text(textwrap.dedent(text))
            audit = Audited(tmp_path, kind, folder, script)
            opened.callback(audit.close)
            return audit

        yield begin


SPOILS = """
    import os, shutil
    print(sorted(os.listdir(".")), open("data/mnist.csv").read(), os.stat("data/mnist.csv").st_mode & 0o777)
    open("data/mnist.csv", "w").write("spoilt")
    os.chmod("keys.txt", 0o666)
    os.rename("keys.txt", "moved.txt")
    shutil.rmtree("old")
    os.makedirs("runs/%d" % len(os.listdir("runs")) if os.path.isdir("runs") else "runs/0")
    open("model.keras", "wb").write(b"weights")
    os.utime("notes.md", (1, 1))
    open(__file__, "a").write("# changed")
"""


def test_the_folder_is_what_it_was_and_every_run_begins_from_it(audited, tmp_path):
    folder = tmp_path / "project"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "mnist.csv").write_text("1,2")
    (folder / "data" / "mnist.csv").chmod(0o640)
    (folder / "keys.txt").write_text("secret")
    (folder / "notes.md").write_text("notes")
    (folder / "old").mkdir()
    (folder / "old" / "a").write_text("a")
    audit = audited(SPOILS)
    before = state_of(folder)
    first, second = audit.run(0), audit.run(1)
    assert first == second and "spoilt" not in first
    assert {"data/mnist.csv", "keys.txt", "moved.txt", "model.keras", "train.py"} <= audit.sandboxed.written
    assert any(name.startswith("old") for name in audit.sandboxed.written)
    audit.close()
    assert state_of(folder) == before


def test_what_an_earlier_run_has_left_can_be_begun_from_and_parts_of_it_taken_away(audited):
    audit = audited("""
        import os
        print(os.path.exists("cache"), os.path.exists("data.csv"))
        open("cache", "w").write("x")
        open("data.csv", "w").write("x")
    """)
    assert audit.run(0) == audit.run(1) == "False False\n"
    assert audit.run(left=True) == "True True\n"
    assert audit.run(left=True, without=("cache",)) == "False True\n"
    assert audit.run(2) == "False False\n"


def test_a_changed_text_is_seen_by_its_own_runs_alone(audited, tmp_path):
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "train.py").write_text("print('as it is')")
    (tmp_path / "project" / "train.py").chmod(0o444)
    audit = audited("")
    audit.program.versions["fix"] = {"train.py": "print('changed')"}
    before = state_of(tmp_path / "project")
    assert audit.run(version="fix") == "changed\n"
    assert audit.run() == "as it is\n"
    audit.close()
    assert state_of(tmp_path / "project") == before


def test_a_script_reached_through_a_link_is_never_written_through(audited, tmp_path):
    real = tmp_path / "shared" / "real.py"
    real.parent.mkdir()
    real.write_text("print('as it is')")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "train.py").symlink_to(real)
    audit = audited("")
    audit.program.versions["fix"] = {"train.py": "print('changed')"}
    assert audit.run(version="fix") == "changed\n"
    assert audit.run() == "as it is\n"
    audit.close()
    assert real.read_text() == "print('as it is')" and (tmp_path / "project" / "train.py").is_symlink()


def test_pipes_sockets_unreadable_files_and_links_that_lead_out_do_no_harm(audited, tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "secret").write_text("s")
    (folder / "secret").chmod(0)
    (tmp_path / "elsewhere").write_text("out there")
    (folder / "out").symlink_to("../elsewhere")
    (folder / "broken").symlink_to("nowhere")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(folder / "socket"))
        audit = audited("print(open('out').read())")
        before = state_of(folder)
        assert audit.run() == "out there\n"
        audit.close()
        assert state_of(folder) == before
    if audit.sandboxed.sandbox.kind == COPY:
        assert {"pipe", "socket"} <= set(audit.sandboxed.sandbox.left_out)


def test_a_path_with_the_marks_of_mount_options_is_a_path(tmp_path, kind):
    folder = tmp_path / "a:b,c\\d e"
    folder.mkdir()
    (folder / "train.py").write_text("print(open('x').read() if __import__('os').path.exists('x') else 'no')\n"
                                     "open('x', 'w').write('y')")
    audit = Audited(tmp_path, kind, folder)
    assert (audit.run(0), audit.run(1)) == ("no\n", "no\n")
    audit.close()
    assert [path.name for path in folder.iterdir()] == ["train.py"]


def test_what_is_read_and_what_is_written_elsewhere_is_noticed(tmp_path, kind, monkeypatch):
    folder, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    for path in (folder, elsewhere, tmp_path / "tmp"):
        path.mkdir()
    (folder / "data.csv").write_text("1")
    (elsewhere / "input.txt").write_text("1")
    (elsewhere / "gone.txt").write_text("1")
    (folder / "train.py").write_text(textwrap.dedent(f"""
        import os, tempfile
        open("data.csv").read(); open("out.txt", "w").write("x"); open({str(folder / "data.csv")!r}).read()
        os.chdir({str(elsewhere)!r})
        open("input.txt").read(); open("model.bin", "wb").write(b"x"); os.mkdir("made"); os.remove("gone.txt")
        tempfile.TemporaryFile().write(b"x"); open(os.devnull, "w").write("x"); tempfile.mkstemp()
        open(os.path.join(tempfile.gettempdir(), "features.npz"), "w").write("x")
        os.mkdir("gone"); os.chdir("gone"); os.rmdir("../gone")
        import sqlite3; sqlite3.connect(":memory:")
    """))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    audit = Audited(tmp_path, kind, folder)
    files = audit.finished().trace.measures["files"]
    audit.close()
    assert files["read"] == ["data.csv"]
    back = [str(folder / "data.csv")] if kind == COPY else []  # an absolute path leads out of a copy
    assert files["elsewhere"] == sorted([*back, *(str(elsewhere / name) for name in (
        "gone", "gone.txt", "made", "model.bin")), str(tmp_path / "tmp" / "features.npz")])


def test_what_is_taken_away_or_put_there_for_a_run_is_not_what_the_program_writes(audited, tmp_path):
    (tmp_path / "project" / "sub").mkdir(parents=True)
    for name in ("config.json", "sub/opt.npz"):
        (tmp_path / "project" / name).write_text("1")
    audit = audited("import os; print(os.path.exists('config.json')); os.symlink('sub', 'latest')")
    audit.program.versions["fix"] = {"train.py": "import os; print(os.listdir('sub')); os.symlink('sub', 'latest')"}
    run = audit.finished(without=("config.json", "sub/opt.npz"), version="fix")
    assert program.written_by(run) == ("latest",)
    assert audit.run() == "True\n"


def test_a_script_of_another_folder_is_not_taken_for_one_below_the_working_folder(tmp_path, kind):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    (there / "train.py").write_text("import os; print(os.path.exists('out.txt')); open('out.txt', 'w').write('x')")
    audit = Audited(tmp_path, kind, here, "../there/train.py")
    assert audit.program.root == there and audit.program.cwd == here
    audit.program.versions["fix"] = {"train.py": "print('changed')"}
    before = state_of(there)
    assert audit.run(version="fix") == "changed\n"
    assert audit.run() == "False\n"
    audit.close()
    assert state_of(there) == before
    assert (here / "out.txt").exists() == (kind != OVERLAY)  # an overlay covers the working folder too


def test_no_view_changes_a_file_outside_of_the_folder(tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "x.py").write_text("mine")
    for name in ("../x.py", str(tmp_path / "x.py")):
        for texts, without in (({name: "spoilt"}, ()), ({}, (name,))):
            with pytest.raises(OSError, match="is not below"):
                mounts.prepare(str(tmp_path / "p"), texts, without)
    assert (tmp_path / "x.py").read_text() == "mine"


def test_modules_of_the_users_are_never_imported_by_us(audited, tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    for name in ("select", "json", "ctypes"):
        (tmp_path / "project" / f"{name}.py").write_text("raise SystemExit('the user\'s module')")
    audit = audited("print('fine')")
    monkeypatch.chdir(tmp_path / "project")  # where the command is started
    assert audit.run() == "fine\n"


# Overlay ----------------------------------------------------------------------------------------------------------


def overlaid(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "o").mkdir()
    overlay, reason = choice.mountable(tmp_path / "t", tmp_path / "o")
    if overlay is None:
        pytest.skip(f"no overlay can be mounted here: {reason}")


def test_under_an_overlay_the_folder_has_its_own_path_and_ours_may_lie_in_it(tmp_path):
    overlaid(tmp_path)
    (tmp_path / "train.py").write_text("import os; print(os.getcwd(), __file__); open('x', 'w').write('x')")
    audit = Audited(tmp_path, OVERLAY, tmp_path)  # our own folder is below the program's
    assert audit.run() == f"{tmp_path} {tmp_path / 'train.py'}\n"
    assert audit.sandboxed.written == {"x"} and not (tmp_path / "x").exists()
    audit.close()


def test_mounts_below_a_folder_are_seen_outer_ones_first():
    text = ("36 35 98:0 / /home/u rw - ext4 /dev/sda rw\n37 36 0:40 / /home/u/data/a\\040b rw - ext4 /dev/sdb rw\n"
            "38 36 0:41 / /home/u/data rw - nfs host:/x rw\n39 35 0:42 / /home/users rw - tmpfs t rw\n")
    assert mounts.below("/home/u", text) == ["/home/u/data", "/home/u/data/a b"]
    assert mounts.below("/srv", text) == []


def test_a_volume_mounted_below_the_folder_is_seen_and_kept(tmp_path):
    """In a mount namespace of the test's own, so that nothing is left mounted."""
    overlaid(tmp_path)
    folder = tmp_path / "project"
    (folder / "data").mkdir(parents=True)
    (folder / "train.py").write_text("print(open('data/a').read()); open('data/a', 'w').write('spoilt')")
    inside = f"""
import ctypes, os, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
library = ctypes.CDLL(None, use_errno=True)
if library.unshare(0x20000) or library.mount(None, b"/", None, ctypes.c_ulong(16384 | (1 << 18)), None):
    sys.exit(77)
folder = Path({str(folder)!r})
if library.mount(b"none", os.fsencode(folder / "data"), b"tmpfs", ctypes.c_ulong(0), None):
    sys.exit(77)
(folder / "data" / "a").write_text("on the volume")
from tests.wire.test_sandbox import Audited
audit = Audited(Path({str(tmp_path)!r}), "overlay", folder)
print(audit.run(0) + audit.run(1), end="")
print((folder / "data" / "a").read_text(), sorted(audit.sandboxed.written))
"""
    ran = subprocess.run([sys.executable, "-c", inside], capture_output=True, text=True, check=False)
    if ran.returncode == 77:
        pytest.skip("nothing can be mounted here")
    assert ran.stdout == "on the volume\non the volume\non the volume ['data/a']\n", ran.stderr


def test_where_no_overlay_can_be_mounted_it_says_why_and_takes_copies(tmp_path, monkeypatch):
    monkeypatch.setattr(choice, "_try", lambda overlay, folder: "Operation not permitted")
    (tmp_path / "p").mkdir()
    chosen = choice.choose(tmp_path / "p", tmp_path, None)
    assert chosen.sandbox.kind == COPY and "Operation not permitted" in chosen.reason
    with pytest.raises(SandboxFailed, match="Operation not permitted"):
        choice.choose(tmp_path / "p", tmp_path, OVERLAY)


# Copies -----------------------------------------------------------------------------------------------------------


def test_a_large_file_is_linked_until_a_run_changes_it_and_never_the_users(tmp_path, monkeypatch):
    monkeypatch.setattr(copies, "LARGE", 100)
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "big").write_text("b" * 200)
    (folder / "train.py").write_text("import os; print(os.path.islink('big'), open('big').read(1))\n"
                                     "open('big', 'w').write('spoilt')")
    before = state_of(folder)
    audit = Audited(tmp_path, COPY, folder)
    assert audit.run(0) == "True b\n"
    assert audit.run(1) == "False b\n"
    audit.close()
    assert state_of(folder) == before


def test_a_folder_that_does_not_fit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(copies, "MARGIN", 10**18)
    (tmp_path / "train.py").write_text("")
    with pytest.raises(SandboxFailed, match="--isolation in-place"):
        Audited(tmp_path, COPY, tmp_path).run()


# In place ---------------------------------------------------------------------------------------------------------


def test_what_a_killed_audit_has_changed_is_restored_at_the_next_start(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "kept.txt").write_text("kept")
    (folder / "sub").mkdir()
    (folder / "train.py").write_text("")
    before = state_of(folder)
    program_text = f"""
import os, signal, sys
from pathlib import Path
from detaudit.sandbox.in_place import InPlace
from detaudit.sandbox.view import Start
folder = Path({str(folder)!r})
sandbox = InPlace(folder)
sandbox.view(folder, Start())
(folder / "kept.txt").write_text("spoilt")
(folder / "new.txt").write_text("new")
os.rmdir(folder / "sub")
os.kill(os.getpid(), signal.SIGKILL)
"""
    ran = subprocess.run([sys.executable, "-c", program_text], check=False)
    assert ran.returncode == -signal.SIGKILL and state_of(folder) != before
    ((root, names),) = in_place.recover()
    assert root == folder and {"kept.txt", "new.txt", "sub"} == set(names)
    assert state_of(folder) == before
    assert list(in_place.recover()) == [] and not list(in_place.journals().iterdir())


def test_the_journal_of_a_living_audit_is_left_alone(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    sandbox = in_place.InPlace(folder)
    (folder / "new.txt").write_text("new")
    assert list(in_place.recover()) == [] and (folder / "new.txt").exists()
    sandbox.close()
    assert not (folder / "new.txt").exists()


def test_the_whole_file_system_is_nobodys_folder(tmp_path):
    from detaudit.errors import UsageError

    script = tmp_path / "train.py"
    script.write_text("")
    assert program.find(str(script), False, (), Path("/")).root == tmp_path
    with pytest.raises(UsageError, match="one of its own"):
        program.find("package", True, (), Path("/"))


def test_each_kind_is_announced_before_the_first_run(tmp_path):
    (tmp_path / "p").mkdir()
    for kind, words in ((COPY, "a copy of its folder"), (IN_PLACE, "restored after each")):
        chosen = choice.choose(tmp_path / "p", tmp_path, kind)
        assert words in session._announced(chosen, Program(None, "m", (), tmp_path / "p", tmp_path / "p"))
        chosen.sandbox.close()
    assert json.dumps(KINDS) == '["overlay", "copy", "in-place"]'

"""What runs do to the user's folder: nothing, under every isolation, whatever lies in it."""

import contextlib
import errno
import hashlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from detaudit.commands.run import leftovers
from detaudit.commands.run.case import Case
from detaudit.core.condition import Condition, Trial
from detaudit.core.experiment import Asking
from detaudit.execution.host import Interpreter
from detaudit.execution.limits import Limits
from detaudit.execution.program import launch, process, program, sandboxed
from detaudit.execution.program.program import Program
from detaudit.execution.runner import Runner
from detaudit.execution.sandbox import choice, copies, in_place, mounts, tree
from detaudit.execution.sandbox.errors import SandboxFailed
from detaudit.execution.sandbox.view import COPY, IN_PLACE, KINDS, OVERLAY, Start
from detaudit_probes.hooks import files
from detaudit_probes.protocol import Orders

from tests.wire.conftest import ask


def state_of(folder: Path) -> dict[str, tuple]:
    """Everything in a folder: bytes, mode, time of change, and what a link leads to."""
    found = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        status = path.lstat()
        content = ""
        if path.is_symlink():
            content = os.readlink(path)
        elif stat.S_ISREG(status.st_mode) and os.access(path, os.R_OK):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        found[str(path.relative_to(folder))] = (content, status.st_mode, status.st_mtime_ns)
    return found


class Audited:
    """Runs of a script in ``folder``, under one isolation."""

    def __init__(self, tmp_path: Path, kind: str, folder: Path, script: str = "train.py"):
        self.ours = tmp_path / "ours"
        self.ours.mkdir(exist_ok=True)
        self.program = program.find(script, False, (), folder)
        self.sandboxed = sandboxed.Sandboxed(
            choice.choose(self.program.root, self.ours, kind, self.program.beside).sandbox
        )
        self.runner = Runner(
            Interpreter(sys.executable, "tensorflow", fork=False),
            Limits(1, 60.0),
            self.ours / "run",
            dict(os.environ),
            keep_bytes=False,
            open_host=lambda *given: process.Process(
                self.program, *given, process.Services(sandboxed=self.sandboxed)
            ),
        )

    def finished(self, number: int = 0, **options):
        condition = Condition("tensorflow", "auto", "train.py", 1).with_orders(**options)
        trial = Trial(condition, number)
        asking = Asking(ask([trial]))
        self.runner.run([asking])
        (done,) = asking.finding
        assert done.outcome.completed, done.outcome
        return done

    def run(self, number: int = 0, **options):
        return (self.finished(number, **options).trace.folder / "stdout").read_text()

    @property
    def written(self) -> set[str]:
        runs = self.runner.finished.values()
        return {name for run in runs for name in sandboxed.written_by(run)}

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
    os.rename("checkpoints", "checkpoints_old")
    print(os.listdir("checkpoints_old"))
"""


def test_the_folder_is_what_it_was_and_every_run_begins_from_it(audited, tmp_path):
    folder = tmp_path / "project"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "mnist.csv").write_text("1,2")
    (folder / "data" / "mnist.csv").chmod(0o640)
    (folder / "keys.txt").write_text("secret")
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "1").write_text("1")
    (folder / "notes.md").write_text("notes")
    (folder / "old").mkdir()
    (folder / "old" / "a").write_text("a")
    audit = audited(SPOILS)
    before = state_of(folder)
    first, second = audit.run(0), audit.run(1)
    assert first == second and "spoilt" not in first
    assert {
        "data/mnist.csv",
        "keys.txt",
        "moved.txt",
        "model.keras",
        "train.py",
    } <= audit.written
    assert any(name.startswith("old") for name in audit.written)
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
    assert audit.run(2) == "False False\n"


KEEPS = """
    import os
    found = os.path.exists("tuning/best.json")
    print(found, os.path.exists("tuning/old.json"), open("data.csv").read())
    os.makedirs("tuning", exist_ok=True)
    open("tuning/best.json", "w").write("1")
    open("model.bin", "w").write("found" if found else "clean")
"""


def test_a_run_can_begin_from_what_one_that_did_not_find_some_files_has_left(audited, tmp_path):
    """A folder that was removed does not come back; the previous state is no longer kept."""
    folder = tmp_path / "project"
    (folder / "tuning").mkdir(parents=True)
    for name in ("tuning/best.json", "tuning/old.json", "data.csv"):
        (folder / name).write_text("1")
    audit = audited(KEEPS)
    before = state_of(folder)
    assert audit.run() == audit.run(left=True) == "True True 1\n"
    assert audit.run(without=("tuning",)) == "False False 1\n"
    assert audit.run(left=True, without=("tuning",)) == "True False 1\n"
    assert audit.run(1, without=("tuning",)) == "False False 1\n"  # and this changes nothing
    assert audit.run(1, left=True, without=("tuning",)) == "True False 1\n"
    assert audit.run(1) == "True True 1\n"
    with pytest.raises(SandboxFailed, match="The files of the earlier run"):
        audit.run(2, left=True)
    audit.close()
    assert state_of(folder) == before and not list(tmp_path.glob("ours/**/best.json"))


def test_what_a_second_run_has_not_touched_is_compared_as_the_first_run_has_left_it(audited):
    audit = audited("""
        import os
        again = os.path.exists("cache/key")
        os.makedirs("cache", exist_ok=True)
        for name in () if again else ("cache/key", "cache/value", "log.txt"):
            with open(name, "w") as file:
                file.write("1")
        if again:
            os.remove("log.txt")
            open("cache/value", "w").write("2")
    """)
    first, left = audit.finished(), audit.finished(left=True)
    assert sandboxed.written_by(left) == ("cache/value", "log.txt")
    read = [{one.name: one.leaves for one in run.trace.contents.files} for run in (first, left)]
    assert set(read[0]) - set(read[1]) == {"log.txt"} and not set(read[1]) - set(read[0])
    assert {name for name, leaves in read[1].items() if leaves != read[0][name]} == {"cache/value"}


@pytest.mark.parametrize("made_again", [False, True])
def test_a_folder_that_a_second_run_removes_is_gone(audited, made_again):
    audit = audited(f"""
        import os, shutil
        if os.path.exists("cache"):
            shutil.rmtree("cache")
            if {made_again}:
                os.makedirs("cache/other")
        else:
            os.makedirs("cache")
            open("cache/key", "w").write("1")
    """)
    first, left = audit.finished(), audit.finished(left=True)
    read = [{one.name for one in run.trace.contents.files} for run in (first, left)]
    assert "cache/key" in read[0] and "cache/key" not in read[1]


def test_a_run_never_begins_from_the_folder_as_it_was_in_place_of_what_another_has_left(audited):
    audit = audited("print('fine')")
    assert audit.run() == "fine\n"
    with pytest.raises(SandboxFailed, match="The files of the earlier run"):
        audit.run(left=True, without=("tuning",))


def test_what_a_program_made_before_the_audit_is_found_by_running_it_without(audited, tmp_path):
    """With data beside it that the program must have, and code in a folder that stays."""
    folder = tmp_path / "project"
    for name in ("tuning/best.json", "tuning/old.json", "data.csv", "src/given.txt", "src/code.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("1")
    os.utime(folder / "tuning" / "best.json", (2e9, 2e9))
    audit = audited(KEEPS + '    open("tuning/best.json").read(); open("src/given.txt").read()\n')
    case = Case(
        audit.program,
        Condition("tensorflow", "auto", "train.py", 1),
        *({}, (), (), None, lambda event: None, lambda: None, lambda: ()),
    )
    asking = Asking(leftovers.made_earlier(case, [audit.finished()]))
    audit.runner.run([asking])
    assert asking.finding == ("tuning",)
    assert audit.run(left=True, without=("tuning",)) == "True False 1\n"


def test_a_changed_text_is_observed_by_its_own_runs_alone(audited, tmp_path):
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
    assert (
        real.read_text() == "print('as it is')" and (tmp_path / "project" / "train.py").is_symlink()
    )


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
    (folder / "train.py").write_text(
        "print(open('x').read() if __import__('os').path.exists('x') else 'no')\n"
        "open('x', 'w').write('y')"
    )
    audit = Audited(tmp_path, kind, folder)
    assert (audit.run(0), audit.run(1)) == ("no\n", "no\n")
    audit.close()
    assert [path.name for path in folder.iterdir()] == ["train.py"]


def test_what_is_read_and_what_is_written_elsewhere_is_noticed(tmp_path, kind, monkeypatch):
    folder, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    for path in (folder, elsewhere, tmp_path / "tmp", elsewhere / "cache"):
        path.mkdir()
    (folder / "data.csv").write_text("1")
    (elsewhere / "input.txt").write_text("1")
    (elsewhere / "gone.txt").write_text("1")
    (folder / "train.py").write_text(
        textwrap.dedent(f"""
        import os, tempfile
        open("data.csv").read(); open("out.txt", "w").write("x"); open({str(folder / "data.csv")!r}).read()
        os.chdir({str(elsewhere)!r})
        open("input.txt").read(); open("model.bin", "wb").write(b"x"); os.mkdir("made"); os.remove("gone.txt")
        tempfile.TemporaryFile().write(b"x"); open(os.devnull, "w").write("x"); tempfile.mkstemp()
        open(os.path.join(tempfile.gettempdir(), "features.npz"), "w").write("x")
        os.makedirs("cache", exist_ok=True); os.mkdir("gone"); os.chdir("gone"); os.rmdir("../gone")
        import sqlite3; sqlite3.connect(":memory:")
    """)
    )
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    audit = Audited(tmp_path, kind, folder)
    files = audit.finished().trace.measures.files
    audit.close()
    assert files.read == ("data.csv",)
    back = (
        [str(folder / "data.csv")] if kind == COPY else []
    )  # an absolute path leads out of a copy
    assert list(files.elsewhere) == sorted(
        [
            *back,
            *(str(elsewhere / name) for name in ("gone", "gone.txt", "made", "model.bin")),
            str(tmp_path / "tmp" / "features.npz"),
        ]
    )


OUTSIDE = """
    import os, pathlib, sqlite3
    outside = pathlib.Path({outside!r})
    cache = outside / "features.npy"
    print(cache.read_text() if cache.exists() else "makes it")
    cache.write_text("features")
    for name in ("given.csv", "given.csv"):
        (outside / name).read_text()
    (outside / "model.h5").write_text("x")
    (outside / "model.h5").read_text()
    open(outside / "log.txt", "a").write("x")
    open(outside / "run.lock", "a+").close()
    (outside / "draft").write_text("x")
    os.replace(outside / "draft", outside / "best.json")
    (outside / "best.json").read_text()
    base = sqlite3.connect(str(outside / "study.db"))
    base.execute("create table if not exists trials (id)")
    base.commit()
    (outside / "__pycache__").mkdir(exist_ok=True)
    (outside / "__pycache__" / "step.nbi").open("a+").write("compiled")
    import library
"""
LIBRARY = """
import pathlib
config = pathlib.Path({outside!r}) / "library.json"
if config.exists():
    config.read_text()
config.write_text("as it is by default")
"""


def test_what_one_run_makes_outside_of_the_folder_and_another_reads_is_noticed(tmp_path, kind):
    """Not what was there before, what each run makes for itself, what is only added to, an empty
    lock, compiled code, nor what a library keeps while it is imported.
    """
    folder, outside, installed = tmp_path / "project", tmp_path / "outside", tmp_path / "installed"
    for path in (folder, outside, installed):
        path.mkdir()
    (outside / "given.csv").write_text("1")
    os.utime(outside / "given.csv", (1, 1))
    (installed / "library.py").write_text(LIBRARY.format(outside=str(outside)))
    text = f"import sys; sys.path.append({str(installed)!r})\n" + textwrap.dedent(
        OUTSIDE.format(outside=str(outside))
    )
    (folder / "train.py").write_text(text)
    audit = Audited(tmp_path, kind, folder)
    runs = [audit.finished(number) for number in range(3)]
    audit.close()
    first, *later = [run.trace.measures.files for run in runs]
    made = {Path(path).name for path in first.made}
    assert made >= {"features.npy", "model.h5", "log.txt", "best.json", "study.db"}
    assert not made & {"given.csv", "step.nbi", "library.json"}
    assert all(files.made == () for files in later) and first.connected is False
    outside_names = {Path(path).name for path in first.outside}
    assert outside_names >= made - {"__pycache__"} | {"run.lock", "draft"}
    assert not outside_names & {"__pycache__", "step.nbi"}
    read = leftovers.found_outside(runs)
    assert [Path(path).name for path in read] == ["features.npy", "study.db"]


def test_a_temporary_file_that_is_removed_may_be_left_by_a_run_that_is_ended(tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    text = """
        import os, pathlib, tempfile
        temporary = pathlib.Path(tempfile.gettempdir())
        (temporary / "train.lock").write_text("mine")
        (temporary / "train.lock").unlink()
        (temporary / "__autograph_generated_file6tjv018h.py").write_text("generated")
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "model.h5").write_text("x")
    """
    (tmp_path / "project" / "train.py").write_text(textwrap.dedent(text))
    audit = Audited(tmp_path, COPY, tmp_path / "project")
    used = audit.finished().trace.measures.files
    audit.close()
    assert used.elsewhere == ()
    assert used.outside == (str(tmp_path / "tmp" / "train.lock"),)


def test_a_cache_of_tensorflow_s_that_lies_outside_is_one_name_for_its_files(tmp_path, monkeypatch):
    """Python before 3.8 has no events: there, what was made may always come from another
    machine.
    """
    (tmp_path / "features.index").write_text("1")
    session = SimpleNamespace(
        orders=Orders(root=str(tmp_path / "p"), began=1.0),
        folder=str(tmp_path / "t"),
        sites=SimpleNamespace(importing=lambda: False),
    )
    monkeypatch.setattr(files.tempfile, "tempdir", str(tmp_path))
    later = files.Record(session)
    cached = files.Use(str(tmp_path / "features"), True, True, False, True)
    later(cached)
    assert later.listed().found == (str(tmp_path / "features"),)
    (tmp_path / "features.index").unlink()
    first = files.Record(session)
    first(cached)
    (tmp_path / "features.index").write_text("1")
    reported = first.listed()
    assert reported.made == reported.elsewhere == (str(tmp_path / "features"),)
    assert (reported.found, reported.connected) == ((), False)


def test_a_connection_to_another_machine_is_noticed(tmp_path):
    text = """
        import socket
        one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        one.settimeout(0.01)
        try:
            one.connect((%r, 9))
        except OSError:
            pass
    """
    for number, (address, far) in enumerate((("127.0.0.1", False), ("192.0.2.1", True))):
        folder = tmp_path / str(number)
        (folder / "project").mkdir(parents=True)
        (folder / "project" / "train.py").write_text(textwrap.dedent(text % address))
        audit = Audited(folder, COPY, folder / "project")
        assert audit.finished().trace.measures.files.connected is far
        audit.close()


def test_what_is_taken_away_or_put_there_for_a_run_is_not_what_the_program_writes(
    audited, tmp_path
):
    (tmp_path / "project" / "sub").mkdir(parents=True)
    for name in ("config.json", "sub/opt.npz"):
        (tmp_path / "project" / name).write_text("1")
    audit = audited("import os; print(os.path.exists('config.json')); os.symlink('sub', 'latest')")
    audit.program.versions["fix"] = {
        "train.py": "import os; print(os.listdir('sub')); os.symlink('sub', 'latest')"
    }
    run = audit.finished(without=("config.json", "sub/opt.npz"), version="fix")
    assert sandboxed.written_by(run) == ("latest",)
    assert audit.run() == "True\n"


def test_a_script_of_another_folder_is_not_taken_for_one_below_the_working_folder(tmp_path, kind):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    (there / "train.py").write_text(
        "import os; print(os.path.exists('out.txt')); open('out.txt', 'w').write('x')"
    )
    audit = Audited(tmp_path, kind, here, "../there/train.py")
    assert audit.program.root == there and audit.program.cwd == here
    audit.program.versions["fix"] = {"train.py": "print('changed')"}
    before = state_of(there)
    assert audit.run(version="fix") == "changed\n"
    assert audit.run() == "False\n"
    audit.close()
    assert state_of(there) == before
    assert (here / "out.txt").exists() == (
        kind != OVERLAY
    )  # an overlay covers the working folder too


def test_no_view_changes_a_file_outside_of_the_folder(tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "x.py").write_text("mine")
    (tmp_path / "p" / "link").symlink_to(tmp_path)
    for name in ("../x.py", str(tmp_path / "x.py"), "link/x.py"):
        for texts, without in (({name: "spoilt"}, ()), ({}, (name,))):
            with pytest.raises(OSError, match="is not below"):
                mounts.prepare(str(tmp_path / "p"), texts, without)
    assert (tmp_path / "x.py").read_text() == "mine"


def test_modules_of_the_users_are_never_imported_by_us(audited, tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    for name in ("select", "json", "ctypes"):
        (tmp_path / "project" / f"{name}.py").write_text("raise SystemExit('the user's module')")
    audit = audited("print('fine')")
    monkeypatch.chdir(tmp_path / "project")  # where the command is started
    assert audit.run() == "fine\n"


def test_a_script_behind_a_link_may_take_the_folder_of_the_real_one_for_its_own(tmp_path):
    overlaid(tmp_path)
    for name in ("bin", "real/data"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "real" / "data" / "a").write_text("a")
    (tmp_path / "real" / "train.py").write_text(
        "import os, pathlib, shutil; here = pathlib.Path(__file__).resolve().parent; shutil.rmtree(here / 'data');"
        "(here / 'new').write_text('x'); os.symlink('data', 'l'); os.unlink('l'); print('done')"
    )
    (tmp_path / "bin" / "train.py").symlink_to("../real/train.py")
    before = state_of(tmp_path / "real")
    audit = Audited(tmp_path, OVERLAY, tmp_path / "bin")
    run = audit.finished()
    audit.close()
    assert state_of(tmp_path / "real") == before
    assert run.trace.measures.files.elsewhere == ()  # nothing of it has left the sandbox
    assert {"../real/new", "../real/data"} <= audit.written


# Overlay ------------------------------------------------------------------------------------------


def overlaid(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "o").mkdir()
    overlay, reason = choice.mountable(tmp_path / "t", tmp_path / "o")
    if overlay is None:
        pytest.skip(f"no overlay can be mounted here: {reason}")


def test_under_an_overlay_the_folder_has_its_own_path_and_ours_may_lie_in_it(tmp_path):
    overlaid(tmp_path)
    (tmp_path / "train.py").write_text(
        "import os; print(os.getcwd(), __file__); open('x', 'w').write('x')"
    )
    audit = Audited(tmp_path, OVERLAY, tmp_path)  # our own folder is below the program's
    assert audit.run() == f"{tmp_path} {tmp_path / 'train.py'}\n"
    assert audit.written == {"x"} and not (tmp_path / "x").exists()
    audit.close()


def test_mounts_below_a_folder_are_observed_outer_ones_first():
    text = (
        "36 35 98:0 / /home/u rw - ext4 /dev/sda rw\n37 36 0:40 / /home/u/data/a\\040b rw - ext4 /dev/sdb rw\n"
        "38 36 0:41 / /home/u/data rw - nfs host:/x rw\n39 35 0:42 / /home/users rw - tmpfs t rw\n"
    )
    assert mounts.below("/home/u", text) == ["/home/u/data", "/home/u/data/a b"]
    assert mounts.below("/srv", text) == []


def test_a_volume_mounted_below_the_folder_is_observed_and_kept(tmp_path):
    """In a mount namespace of the test's own, so that nothing is left mounted."""
    overlaid(tmp_path)
    folder = tmp_path / "project"
    (folder / "data").mkdir(parents=True)
    (folder / "train.py").write_text(
        "print(open('data/a').read()); open('data/a', 'w').write('spoilt')"
    )
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
print((folder / "data" / "a").read_text(), sorted(audit.written))
"""
    ran = subprocess.run(
        [sys.executable, "-c", inside], capture_output=True, text=True, check=False
    )
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


# Copies -------------------------------------------------------------------------------------------


def test_a_large_file_that_runs_change_is_never_linked_and_never_the_users(tmp_path, monkeypatch):
    monkeypatch.setattr(copies, "LARGE", 100)
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "big").write_text("b" * 200)
    (folder / "train.py").write_text(
        "import os; print(os.path.islink('big'), open('big').read(1))\n"
        "open('big', 'w').write('spoilt')"
    )
    before = state_of(folder)
    audit = Audited(tmp_path, COPY, folder)
    assert audit.run(0) == "False b\n"
    assert audit.run(1) == "False b\n"
    audit.close()
    assert state_of(folder) == before


class Copied:
    """Copies of a folder with a large file, without runs: the test is what runs would be."""

    def __init__(self, tmp_path: Path, monkeypatch):
        monkeypatch.setattr(copies, "LARGE", 100)
        self.folder, self.ours = tmp_path / "project", tmp_path / "ours"
        self.folder.mkdir()
        self.ours.mkdir()
        (self.folder / "big").write_text("b" * 200)
        self.sandbox = copies.Copies(self.folder, self.ours)

    def view(self, name: str, **start) -> Path:
        return self.sandbox.view(self.ours / name, Start(**start)).root

    def complete(self, name: str, keep: bool = False) -> tuple[str, ...]:
        names = self.sandbox.written(self.ours / name)
        if keep:
            self.sandbox.keep_state(self.ours / name)
        self.sandbox.discard(self.ours / name)
        return names


@pytest.fixture
def copied(tmp_path, monkeypatch):
    return Copied(tmp_path, monkeypatch)


def test_runs_side_by_side_share_no_large_file_before_one_has_left_it_alone(copied):
    first, second = copied.view("1"), copied.view("2")
    for run in (first, second):
        with open(run / "big", "a") as file:
            file.write("x")
    assert [len((run / "big").read_text()) for run in (first, second)] == [201, 201]
    assert copied.complete("1", keep=True) == ("big",) and copied.complete("2") == ("big",)
    assert not (copied.view("3") / "big").is_symlink()
    assert len((copied.view("4", left=True) / "big").read_text()) == 201
    assert (copied.folder / "big").read_text() == "b" * 200


def test_a_large_file_is_linked_after_that_and_no_more_once_a_run_has_changed_it(copied):
    copied.view("1")
    assert copied.complete("1", keep=True) == ()
    second = copied.view("2")
    assert (second / "big").is_symlink()
    (second / "big").write_text("spoilt")
    assert copied.complete("2") == ("big",)
    third = copied.view("3", left=True)
    assert not (third / "big").is_symlink() and (third / "big").read_text() == "b" * 200
    assert (copied.folder / "big").read_text() == "b" * 200


def test_a_run_may_remove_what_its_link_leads_to(copied):
    copied.view("1")
    copied.complete("1", keep=True)
    os.remove(os.path.realpath(copied.view("2") / "big"))
    copied.complete("2")
    assert (copied.view("3") / "big").read_text() == "b" * 200


def test_a_link_that_leads_into_the_folder_leads_into_the_copy(copied, tmp_path):
    folder = copied.folder
    (folder / "data").mkdir()
    (folder / "data" / "a").write_text("a")
    (tmp_path / "alias").symlink_to(folder)
    (folder / "absolute").symlink_to(folder / "data")
    (folder / "roundabout").symlink_to(tmp_path / "alias" / "data")
    (folder / "relative").symlink_to("data")
    (folder / "out").symlink_to("../ours")
    first = copied.view("1")
    for name in ("absolute", "roundabout", "relative"):
        assert os.path.realpath(first / name) == os.path.realpath(first / "data")
        (first / name / "a").write_text(name)
    assert os.readlink(first / "out") == str(copied.ours)
    assert (folder / "data" / "a").read_text() == "a"
    copied.complete("1", keep=True)
    again = copied.view("2", left=True)
    assert os.path.realpath(again / "absolute") == os.path.realpath(again / "data")


def test_a_file_that_disappears_while_it_is_copied_was_not_there(copied, tmp_path, monkeypatch):
    (copied.folder / "a").write_text("a")
    monkeypatch.setattr(
        tree,
        "entries",
        lambda root, ours: [
            ("gone", os.lstat(copied.folder / "a")),
            ("a", os.lstat(copied.folder / "a")),
        ],
    )
    assert tree.copy_tree(copied.folder, tmp_path / "copy") == []
    assert os.listdir(tmp_path / "copy") == ["a"]


def test_what_lies_behind_a_link_out_of_the_folder_is_not_touched(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.py").write_text("x")
    (tmp_path / "project").mkdir()
    (tmp_path / "ours").mkdir()
    (tmp_path / "project" / "link").symlink_to(tmp_path / "elsewhere")
    for sandbox in (
        copies.Copies(tmp_path / "project", tmp_path / "ours"),
        in_place.InPlace(tmp_path / "project"),
    ):
        sandbox.view(tmp_path / "ours" / f"{sandbox.kind} 1", Start(without=("link/x.py",)))
        with pytest.raises(SandboxFailed, match="behind a symbolic link"):
            sandbox.view(tmp_path / "ours" / f"{sandbox.kind} 2", Start({"link/x.py": "changed"}))
        sandbox.close()
    assert (tmp_path / "elsewhere" / "x.py").read_text() == "x"
    assert os.listdir(tmp_path / "elsewhere") == ["x.py"]


def test_our_own_folders_may_lie_in_the_users_and_are_not_copied_nor_restored(
    tmp_path, monkeypatch
):
    folder = project(tmp_path)
    ours = folder / "tmp" / "ours"
    ours.mkdir(parents=True)
    sandbox = copies.Copies(folder, ours)
    view = sandbox.view(ours / "1", Start())
    assert sorted(os.listdir(view.root)) == [
        "kept.txt",
        "sub",
        "tmp",
        "train.py",
    ] and not os.listdir(view.root / "tmp")
    sandbox.close()
    sandbox = in_place.InPlace(folder)
    with pytest.raises(SandboxFailed, match="TMPDIR"):
        sandbox.view(ours / "2", Start())
    sandbox.close()
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    with pytest.raises(SandboxFailed, match="XDG_STATE_HOME"):
        in_place.InPlace(folder)


def test_nothing_of_ours_is_left_when_an_audit_ends_with_trials_under_way(copied):
    copied.view("1")
    copied.complete("1", keep=True)
    copied.view("2")
    copied.sandbox.close()
    assert not [path for path in copied.ours.rglob("*") if path.is_file() or path.is_symlink()]


def test_a_folder_that_does_not_fit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(copies, "MARGIN", 10**18)
    (tmp_path / "train.py").write_text("")
    with pytest.raises(SandboxFailed, match="--isolation in-place"):
        Audited(tmp_path, COPY, tmp_path).run()


# In place -----------------------------------------------------------------------------------------


def killed(folder: Path, lines: str = "", start: str = "") -> None:
    """An in-place audit that is killed in its first trial, in which ``lines`` were run."""
    program_text = (
        f"""
import os, shutil, signal
from pathlib import Path
from detaudit.execution.sandbox.in_place import InPlace
from detaudit.execution.sandbox.view import Start
folder = Path({str(folder)!r})
sandbox = InPlace(folder)
sandbox.view(folder.parent / "trial", Start({start}))
os.chdir(folder)
"""
        + textwrap.dedent(lines)
        + "\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert (
        subprocess.run([sys.executable, "-c", program_text], check=False).returncode
        == -signal.SIGKILL
    )


def project(tmp_path: Path, name: str = "project") -> Path:
    folder = tmp_path / name
    (folder / "sub").mkdir(parents=True)
    (folder / "kept.txt").write_text("kept")
    (folder / "train.py").write_text("pass")
    return folder


def test_what_a_killed_audit_has_changed_is_restored_at_the_next_start(tmp_path):
    folder = project(tmp_path)
    before = state_of(folder)
    killed(
        folder,
        """
        Path("kept.txt").write_text("spoilt")
        Path("new.txt").write_text("new")
        os.rmdir("sub")
    """,
    )
    assert state_of(folder) != before
    (restored,) = in_place.recover()
    assert restored.root == folder and {"kept.txt", "new.txt", "sub"} == set(restored.names)
    assert state_of(folder) == before
    assert list(in_place.recover()) == [] and not list(in_place.journals().iterdir())


def test_what_the_user_did_after_an_audit_was_killed_is_never_lost(tmp_path):
    folder = project(tmp_path)
    killed(folder, "Path('kept.txt').write_text('spoilt')")
    (folder / "train.py").write_text("edited")
    (folder / "paper.tex").write_text("paper")
    (restored,) = in_place.recover()
    assert set(restored.names) == {"kept.txt", "train.py", "paper.tex"}
    assert [(restored.where / "1" / name).read_text() for name in ("train.py", "paper.tex")] == [
        "edited",
        "paper",
    ]
    assert (folder / "train.py").read_text() == "pass"


def test_what_changed_long_after_an_audit_was_killed_stays(tmp_path):
    folder = project(tmp_path)
    killed(
        folder,
        """
        Path('kept.txt').write_text('spoilt')
        Path('train.py').write_text('spoilt')
        Path('made').mkdir()
        Path('made/a').write_text('a')
    """,
    )
    (alive,) = in_place.journals().glob("*/alive")
    last = (folder / "made" / "a").stat().st_ctime_ns - round(in_place.LATE * 1e9)
    os.utime(alive, ns=(last, last + 10**6))
    time.sleep(0.05)
    (folder / "train.py").write_text("edited")
    (folder / "made" / "paper.tex").write_text("paper")
    (restored,) = in_place.recover()
    assert set(restored.names) == {"kept.txt", "made/a"} and restored.left == (
        "made",
        "made/paper.tex",
        "train.py",
    )
    assert (folder / "train.py").read_text() == "edited" and (
        folder / "made" / "paper.tex"
    ).read_text() == "paper"
    assert (folder / "kept.txt").read_text() == "kept" and not (folder / "made" / "a").exists()
    assert (restored.where / "saved" / "train.py").read_text() == "pass"
    assert list(in_place.recover()) == []


def test_an_audit_shows_that_it_is_alive_while_a_trial_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(in_place, "_BEAT", 0.01)
    sandbox = in_place.InPlace(project(tmp_path))
    os.utime(sandbox.journal.folder / "alive", (1, 1))
    deadline = time.monotonic() + 10
    while sandbox.journal.died() == 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sandbox.journal.died() > 1
    sandbox.close()


def test_what_changes_while_no_trial_runs_is_kept_and_what_runs_change_is_not(tmp_path):
    folder = project(tmp_path)
    before = state_of(folder)
    sandbox = in_place.InPlace(folder)
    sandbox.view(tmp_path / "1", Start())
    (folder / "made.bin").write_text("made by a run")
    sandbox.discard(tmp_path / "1")
    (folder / "train.py").write_text("edited")
    sandbox.view(tmp_path / "2", Start())
    (folder / "made.bin").write_text("made by a run")
    sandbox.discard(tmp_path / "2")
    (folder / "paper.tex").write_text("paper")
    sandbox.close()
    assert state_of(folder) == before
    kept = {path.name: path.read_text() for path in sandbox.replaced.rglob("*") if path.is_file()}
    assert kept == {"train.py": "edited", "paper.tex": "paper"}


def test_a_file_that_runs_do_not_usually_change_is_kept_when_it_changes_during_one(tmp_path):
    folder = project(tmp_path)
    before = state_of(folder)
    sandbox = in_place.InPlace(folder)
    for number in range(4):
        trial = tmp_path / str(number)
        sandbox.view(trial, Start(without=("kept.txt",) if number == 3 else ()))
        (folder / "kept.txt").write_text("written by each run")
        (folder / "made.bin").write_text("made by a run")
        if number:
            (folder / "train.py").write_text(f"edited {number}")
        sandbox.discard(trial)
    sandbox.close()
    assert state_of(folder) == before
    kept = {path.name: path.read_text() for path in sandbox.replaced.rglob("*") if path.is_file()}
    assert kept == {"train.py": "edited 3"}


def test_an_audit_that_is_interrupted_in_a_trial_leaves_nothing(tmp_path):
    folder = project(tmp_path)
    before = state_of(folder)
    sandbox = in_place.InPlace(folder)
    sandbox.view(tmp_path / "1", Start())
    (folder / "made.bin").write_text("made by a run")
    sandbox.close()
    assert (
        state_of(folder) == before
        and sandbox.replaced is None
        and not list(in_place.journals().iterdir())
    )


def test_a_folder_that_a_run_has_removed_is_made_again(tmp_path):
    folder = project(tmp_path)
    before = state_of(folder)
    killed(folder, "shutil.rmtree(folder)")
    (restored,) = in_place.recover()
    assert not restored.problem and state_of(folder) == before


def test_a_journal_is_kept_until_its_folder_was_restored_and_is_in_no_other_ones_way(tmp_path):
    folder, other = project(tmp_path, "disk/project"), project(tmp_path, "other")
    before, before_other = state_of(folder), state_of(other)
    killed(folder, "Path('kept.txt').write_text('spoilt')")
    killed(other, "Path('kept.txt').write_text('spoilt')")
    (tmp_path / "disk").rename(tmp_path / "unplugged")
    first = {restored.root: restored for restored in in_place.recover()}
    (journal,) = in_place.journals().iterdir()
    assert str(journal) in first[folder].problem and state_of(other) == before_other
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "project").write_text("no folder")
    assert [restored.problem != "" for restored in in_place.recover()] == [True]
    with pytest.raises(SandboxFailed, match="has not been restored"):
        in_place.InPlace(tmp_path / "disk")
    (tmp_path / "disk" / "project").unlink()
    (tmp_path / "disk").rmdir()
    (tmp_path / "unplugged").rename(tmp_path / "disk")
    assert [restored.problem for restored in in_place.recover()] == [""]
    assert state_of(folder) == before


def test_an_audit_killed_while_it_restores_has_lost_nothing(tmp_path):
    folder = project(tmp_path)
    before = state_of(folder)
    killed(
        folder,
        """
        Path("kept.txt").write_text("spoilt")
        Path("paper.tex").write_text("paper")
        from detaudit.execution.sandbox import tree
        tree.copy_file = lambda origin, copy: (copy.write_text("half"), os.kill(os.getpid(), signal.SIGKILL))
        sandbox.discard(folder.parent / "trial")
    """,
    )
    (restored,) = in_place.recover()
    assert state_of(folder) == before
    assert {path.read_text() for path in restored.where.rglob("*") if path.is_file()} == {
        "spoilt",
        "paper",
        "half",
    }


def test_a_restore_that_fails_is_tried_again(tmp_path, monkeypatch):
    folder = project(tmp_path)
    before = state_of(folder)
    killed(folder, "Path('kept.txt').write_text('spoilt'); Path('train.py').unlink()")

    def full(origin, copy):
        copy.write_bytes(b"k")
        raise SandboxFailed("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(tree, "copy_file", full)
        (restored,) = in_place.recover()
    assert "the disk is full" in restored.problem
    (restored,) = in_place.recover()
    assert not restored.problem and state_of(folder) == before
    assert [path.read_text() for path in restored.where.rglob("kept.txt")] == ["spoilt"]


NOT_SAVED = (".venv/bin/x", ".git/HEAD", "third", "secret", "sub", "kept.txt")


def with_unsaved(tmp_path: Path) -> Path:
    folder = project(tmp_path)
    for name in (".venv/bin/x", ".git/HEAD", "third/.git/HEAD", "third/a", "secret", "sub/b"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "secret").chmod(0)
    return folder


def test_what_a_run_is_not_to_see_comes_back_with_all_that_is_in_it(tmp_path):
    folder = with_unsaved(tmp_path)
    before = state_of(folder)
    sandbox = in_place.InPlace(folder)
    sandbox.view(tmp_path / "1", Start(without=NOT_SAVED))
    assert not any((folder / name).exists() for name in NOT_SAVED)
    (folder / "sub").mkdir()
    (folder / "sub" / "b").write_text("made again")
    assert sandbox.written(tmp_path / "1") == ("sub/b",)
    sandbox.discard(tmp_path / "1")
    assert state_of(folder) == before
    sandbox.view(tmp_path / "2", Start(without=NOT_SAVED))
    sandbox.close()
    assert state_of(folder) == before and sandbox.replaced is None


def test_that_holds_when_the_audit_is_killed(tmp_path):
    folder = with_unsaved(tmp_path)
    before = state_of(folder)
    killed(folder, start=f"without={NOT_SAVED!r}")
    (restored,) = in_place.recover()
    assert (
        state_of(folder) == before
        and set(NOT_SAVED) <= set(restored.names)
        and restored.where is None
    )


def test_what_cannot_be_moved_away_and_is_not_saved_stays(tmp_path, monkeypatch):
    folder = with_unsaved(tmp_path)
    before = state_of(folder)
    sandbox = in_place.InPlace(folder)
    rename = os.rename

    def across(origin, place):
        if str(origin).startswith(str(folder)) != str(place).startswith(str(folder)):
            raise OSError(errno.EXDEV, "another disk")
        rename(origin, place)

    monkeypatch.setattr(os, "rename", across)
    with pytest.raises(SandboxFailed, match="on another disk"):
        sandbox.view(tmp_path / "1", Start(without=("third",)))
    sandbox.view(tmp_path / "2", Start(without=("sub", "kept.txt")))  # the journal holds all of it
    assert not (folder / "sub").exists() and not (folder / "kept.txt").exists()
    sandbox.discard(tmp_path / "2")
    assert state_of(folder) == before
    (folder / "paper.tex").write_text("paper")
    sandbox.close()
    assert state_of(folder) == before
    assert [path.read_text() for path in sandbox.replaced.rglob("paper.tex")] == ["paper"]


def test_what_an_earlier_run_has_removed_takes_nothing_along_that_is_not_saved(tmp_path):
    folder = with_unsaved(tmp_path)
    os.mkfifo(folder / "pipe")
    before = state_of(folder)
    sandbox = in_place.InPlace(folder)
    sandbox.view(tmp_path / "1", Start())
    (folder / "third" / "a").unlink()
    (folder / "third").rename(folder / "moved")
    (folder / "kept.txt").write_text("left")
    sandbox.keep_state(tmp_path / "1")
    (folder / "moved").rename(folder / "third")  # what a run removes in .git is not restored
    sandbox.discard(tmp_path / "1")
    sandbox.view(tmp_path / "2", Start(left=True))
    assert (
        (folder / "moved").is_dir()
        and not (folder / "third").exists()
        and (folder / "pipe").exists()
    )
    assert (folder / "kept.txt").read_text() == "left"
    sandbox.close()
    assert state_of(folder) == before


def test_two_audits_do_not_run_in_one_folder(tmp_path):
    folder = project(tmp_path, "above/project")
    sandbox = in_place.InPlace(folder)
    for root in (folder, folder / "sub", folder.parent):
        with pytest.raises(SandboxFailed, match="another audit is running in"):
            in_place.InPlace(root)
    beside = in_place.InPlace(project(tmp_path, "above/project2"))
    beside.close()
    sandbox.close()
    in_place.InPlace(folder).close()


def test_names_of_every_type_come_back_as_what_they_were(tmp_path):
    folder = project(tmp_path)
    for name in "abcd":
        (folder / name).write_text(name)
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to("../elsewhere")
    before = state_of(folder)
    sandbox = in_place.InPlace(folder)
    sandbox.view(tmp_path / "1", Start())
    for name in ("a", "b", "c", "pipe", "link"):
        (folder / name).unlink()
    (folder / "sub").rmdir()
    (folder / "a").mkdir()
    (folder / "a" / "in").write_text("x")
    os.mkfifo(folder / "b")
    (folder / "c").symlink_to("d")
    (folder / "pipe").write_text("x")
    (folder / "link").mkdir()
    (folder / "sub").symlink_to("a")
    os.mkfifo(folder / "new pipe")
    assert {"a", "b", "c", "pipe", "link", "sub", "new pipe"} <= set(
        sandbox.written(tmp_path / "1")
    )
    sandbox.close()
    after = state_of(folder)
    assert after.pop("pipe")[:2] == before.pop("pipe")[:2] and after == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser gives files away")
def test_owners_come_back(tmp_path):
    folder = project(tmp_path)
    os.chown(folder / "kept.txt", 1, 2)
    sandbox = in_place.InPlace(folder)
    sandbox.view(tmp_path / "1", Start())
    os.chown(folder / "train.py", 3, 3)
    (folder / "kept.txt").unlink()
    (folder / "kept.txt").write_text("spoilt")
    sandbox.close()
    owners = [
        (path.stat().st_uid, path.stat().st_gid)
        for path in (folder / "kept.txt", folder / "train.py")
    ]
    assert owners == [(1, 2), (os.getuid(), os.getgid())]


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
    with pytest.raises(UsageError, match="folder of its own"):
        program.find("package", True, (), Path("/"))


def test_each_kind_is_announced_before_the_first_run(tmp_path):
    (tmp_path / "p").mkdir()
    for kind, words in ((COPY, "a copy of its folder"), (IN_PLACE, "restored after each")):
        chosen = choice.choose(tmp_path / "p", tmp_path, kind)
        assert words in launch.describe_isolation(
            chosen, Program(None, "m", (), tmp_path / "p", tmp_path / "p")
        )
        chosen.sandbox.close()
    assert json.dumps(KINDS) == '["overlay", "copy", "in-place"]'

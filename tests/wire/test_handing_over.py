"""What was found is handed over, whatever happens: to the screen, the disk, the audit or its
process.
"""

import contextlib
import errno
import json
import os
import pty
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from detaudit.cli import output
from detaudit.commands.run import session as run_session
from detaudit.commands.run.session import Options, run
from detaudit.core.events import TrialEnded
from detaudit.execution.program import program
from detaudit.report import write
from detaudit.report.build import ops as build_ops
from detaudit.report.build import run as build_run
from rich.console import Console

from tests.wire.test_resume import audit as audit_ours

#: It trains, prints and saves nothing, so that detaudit makes the runs that were asked for, and
#: decides nothing: 3.
SCRIPT = "import sys, time\nprint('done', file=sys.stderr)\ntime.sleep(0.2)\n"
SCREEN = output.Screen(Console(stderr=True))
SLOW = "import time\nprint('trained')\ntime.sleep(60)\n"


@pytest.fixture
def start(tmp_path):
    """Start ``detaudit run`` in a project, with temporary folders of its own."""
    project, temporary = tmp_path / "project", tmp_path / "tmp"
    project.mkdir()
    temporary.mkdir()
    started = []

    def start_one(*options, script=SCRIPT, **how):
        (project / "train.py").write_text(script)
        command = [sys.executable, "-m", "detaudit", "run", "--no-search", "--pairs", "1"]
        own = {"TMPDIR": str(temporary), "XDG_STATE_HOME": str(tmp_path / "state")}
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        how = {**streams, "preexec_fn": _hear_hangups, **how}
        process = subprocess.Popen(
            [*command, "--json", str(tmp_path / "report.json"), *options, "train.py"],
            cwd=project,
            env={**os.environ, **own},
            **how,
        )
        started.append(process)
        return process

    yield start_one
    for process in started:
        process.kill()
        process.wait()


def _hear_hangups():
    """Also where the tests run under ``nohup``."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def report_of(tmp_path):
    return json.loads((tmp_path / "report.json").read_text())


def until_a_run_prints(tmp_path):
    deadline = time.monotonic() + 60
    while not any(path.read_text() for path in (tmp_path / "tmp").glob("d-*/r/*/trials/*/stdout")):
        assert time.monotonic() < deadline
        time.sleep(0.05)


# The screen ---------------------------------------------------------------------------------------


def test_a_reader_that_closes_the_pipe_changes_nothing(start, tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    process = start(stdout=writing)
    os.close(writing)
    _, said = process.communicate(timeout=120)
    assert process.returncode == report_of(tmp_path)["exit_code"] == 3
    assert "Traceback" not in said and "Broken" not in said


def test_a_full_disk_behind_standard_output_is_said_and_the_report_written(start, tmp_path):
    with open("/dev/full", "w") as full:
        process = start(stdout=full)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 2 and report_of(tmp_path)["exit_code"] == 3
    assert "Cannot write to standard output: No space left on device." in said
    assert "Traceback" not in said


def test_closed_descriptors_change_nothing(start, tmp_path):
    process = start(preexec_fn=lambda: [os.close(number) for number in (0, 1, 2)])
    process.communicate(timeout=120)
    assert process.returncode == report_of(tmp_path)["exit_code"] == 3


# Signals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_audit_with_its_report(start, tmp_path, number):
    process = start(script=SLOW)
    until_a_run_prints(tmp_path)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    report = report_of(tmp_path)
    assert process.returncode == report["exit_code"] == 130 and report["interrupted"]
    name = "" if number == signal.SIGINT else f" by {number.name}"
    assert f"Interrupted{name}." in said and "Traceback" not in said


def test_further_signals_do_not_break_the_writing(start, tmp_path):
    process = start(script=SLOW)
    until_a_run_prints(tmp_path)
    while process.poll() is None:  # to the very end of the process
        process.send_signal(signal.SIGTERM)
        time.sleep(0.001)
    process.communicate(timeout=60)
    assert process.returncode == report_of(tmp_path)["exit_code"] == 130


def test_an_interruption_in_an_exec_is_not_the_exit_status(tmp_path):
    code = (
        "import sys\nfrom detaudit.cli.interruptions import interruptions\n"
        "try:\n    exec('raise KeyboardInterrupt')\nexcept KeyboardInterrupt:\n    pass\n"
    )
    for ending, status in (("", -signal.SIGINT), ("interruptions.ignore()\n", 7)):
        (tmp_path / "program.py").write_text(f"{code}{ending}sys.exit(7)")
        ran = subprocess.run([sys.executable, "-m", "program"], cwd=tmp_path, check=False)
        assert ran.returncode in (status, 7)  # not every Python remembers


def test_a_signal_before_the_first_run_gives_a_report_too(start, tmp_path):
    process = start(script=SLOW)
    process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == report_of(tmp_path)["exit_code"] == 130
    assert not list((tmp_path / "tmp").iterdir())


def test_a_signal_that_was_ignored_at_the_start_stays_ignored(start, tmp_path):
    process = start(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.stderr.readline()
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=120)
    assert process.returncode == 3 and not report_of(tmp_path)["interrupted"]


def test_ctrl_c_during_the_imports_prints_no_traceback():
    code = (
        "import os, signal, sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'typer':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "from detaudit.cli import main\n"
        "main()\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (ran.returncode, ran.stderr) == (-signal.SIGINT, b"")


def test_the_cursor_comes_back(start, tmp_path):
    shown, screen = pty.openpty()
    process = start(script=SLOW, stderr=screen)
    os.close(screen)
    until_a_run_prints(tmp_path)
    process.send_signal(signal.SIGTERM)
    said = b""
    with contextlib.suppress(OSError):  # EIO: it was closed
        while chunk := os.read(shown, 65536):
            said += chunk
    os.close(shown)
    process.communicate(timeout=60)
    assert b"\x1b[?25l" in said and said.rindex(b"\x1b[?25h") > said.rindex(b"\x1b[?25l")


# Exceptions ---------------------------------------------------------------------------------------


class Failing:
    """Events are received as long as no trial has ended: then the disk is full, or so."""

    def __init__(self, error):
        self.error = error

    def __call__(self, event):
        if isinstance(event, TrialEnded):
            raise self.error


FULL = OSError(errno.ENOSPC, "No space left on device", "/disk")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FULL, "No space left on device (/disk)"),
        (RuntimeError("never"), "a fault of detaudit itself: RuntimeError: never"),
    ],
)
def test_an_exception_leaves_a_report_of_what_is_known(tmp_path, monkeypatch, error, said):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "train.py").write_text(SCRIPT)
    found = program.find("train.py", False, (), tmp_path / "project")
    audit = run(found, Options(sys.executable, pairs=1), Failing(error))
    document = build_run.document(audit)
    assert document.exit_code == 70 and said in document.reason and len(document.trials) == 1
    assert audit.resume is not None and Path(audit.resume).exists()
    assert bool(audit.failure.details) == isinstance(error, RuntimeError)

    _, audit = audit_ours(Failing(error))
    document = build_ops.document(audit)
    assert document.exit_code == 70 and document.reason == said and len(document.trials) == 1
    assert any(said in warning for warning in document.warnings)


def test_a_report_that_cannot_be_built_still_gives_the_verdict(capsys, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "correct-horse-7")
    audit = run_session.RunAudit("train.py", {}, False, "two runs differ", notes=("a note",))

    def build(given):
        if given.notes:
            raise ValueError("a note that no document can hold: correct-horse-7")
        return build_run.document(given)

    document = output.documented(build, audit)
    assert (document.exit_code, document.reason) == (1, "two runs differ")
    assert "a note that no document can hold: <secret>" in capsys.readouterr().err


# Files --------------------------------------------------------------------------------------------


@pytest.fixture
def document():
    return build_run.document(run_session.RunAudit("train.py", {}, False, "two runs differ"))


def test_one_file_that_cannot_be_written_keeps_no_other_from_it(
    document, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def broken():
        raise ValueError("no such format")

    files = {
        tmp_path / "gone" / "a.txt": output.File(lambda: "first"),
        tmp_path / "b.txt": output.File(broken),
        tmp_path / "c.txt": output.File(lambda: "third"),
    }
    assert output.hand_over(document, files, SCREEN) == 1  # what is known stays known
    assert (tmp_path / "c.txt").read_text() == "third" and not (tmp_path / "b.txt").exists()
    (elsewhere,) = tmp_path.glob("a-*.txt")
    assert elsewhere.read_text() == "first"
    said = capsys.readouterr().err
    assert f"It was written to {elsewhere} instead." in said and "no such format" in said


def test_a_log_in_the_folder_of_the_script_is_no_change_of_it(start, tmp_path):
    log = tmp_path / "project" / "audit.log"
    for _ in range(2):  # the second one replaces the first one's log
        assert start("--quiet", "--log-file", "audit.log").wait() == 3
        assert "INFO detaudit" in log.read_text()
        assert report_of(tmp_path)["isolation"]["not_restored"] == []


def test_a_fix_that_was_not_found_is_said_not_to_be_written(start):
    process = start("--quiet", "--write-fix", "fix.diff")
    said = "There is no fix: nothing could be compared"
    assert process.communicate()[1].startswith(said)


def test_an_option_of_keep_alone_is_refused(start):
    process = start("--keep-environment")
    assert process.communicate()[1] == "--keep-environment needs --keep DIR.\n"
    assert process.returncode == 2


def test_a_log_does_not_replace_the_script(start, tmp_path):
    process = start("--log-file", "train.py")
    assert "train.py is a file of the script" in process.communicate()[1]
    assert process.returncode == 2 and (tmp_path / "project" / "train.py").read_text() == SCRIPT


def test_a_report_that_could_not_be_written_is_no_success(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    matched = build_run.document(run_session.RunAudit("train.py", {}, True, "they match"))
    assert output.hand_over(matched, {tmp_path / "gone" / "a": output.File(str)}, SCREEN) == 2
    shown = capsys.readouterr()
    assert "exit code 0" in shown.out and "The exit code is therefore 2, not 0." in shown.err
    assert output.hand_over(matched, {tmp_path / "a": output.File(str)}, SCREEN) == 0
    assert capsys.readouterr().err == ""


def test_the_files_are_there_before_the_screen_is_drawn(document, tmp_path, monkeypatch):
    path, seen = tmp_path / "a", []
    monkeypatch.setattr(output, "print_whole", lambda *_: seen.append(path.exists()))
    output.hand_over(document, {path: output.File(lambda: "text")}, SCREEN)
    assert seen == [True]


# --keep -------------------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_kept_is_refused_before_the_first_run(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("")
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    write.check_folder(tmp_path / "empty")
    write.check_folder(tmp_path / "a" / "new" / "one")
    for bad in (tmp_path / "full", tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(write.UsageError):
            write.check_folder(bad)


def test_traces_go_to_an_empty_folder_and_to_another_file_system(start, tmp_path):
    (tmp_path / "kept").mkdir()
    process = start("--keep", str(tmp_path / "kept"))
    process.communicate(timeout=120)
    assert (tmp_path / "kept" / "r").exists()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
        process = start("--keep", f"{memory}/kept")
        process.communicate(timeout=120)
        assert process.returncode == 3 and Path(memory, "kept", "r").exists()
    assert not list((tmp_path / "tmp").iterdir())


def test_traces_that_cannot_be_moved_stay_and_the_report_is_written(start, tmp_path):
    process = start("--keep", str(tmp_path / "kept"), script=SCRIPT)
    process.stderr.readline()
    (tmp_path / "kept").write_text("the user's, since")
    _, said = process.communicate(timeout=120)
    (folder,) = (tmp_path / "tmp").iterdir()
    assert process.returncode == 3 and "could not be moved" in said and str(folder) in said
    assert any("could not be moved" in warning for warning in report_of(tmp_path)["warnings"])

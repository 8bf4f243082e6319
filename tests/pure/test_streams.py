"""Any screen: whatever its width and its encoding, and whatever stands in names."""

import io
import os
import subprocess
import sys
import threading

import pytest
from detaudit.cli import output, progress, streams
from detaudit.core.events import Notice, Phase
from detaudit.errors import ReportUnreadable, UsageError
from detaudit.execution import resume
from detaudit.report import read, write
from detaudit.report.formats import registry
from rich.console import Console

from tests.pure import golden

NASTY = "a\x1b[31m\x1b]0;title\x07b\rc\u202ed\x9bH"
DOCUMENTS = golden.documents()


def screen(encoding):
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "cp437", "utf-8"])
@pytest.mark.parametrize("width", [1, 7, 20, 200])
def test_every_page_can_be_shown(encoding, width):
    for verbose in (False, True):
        for document in DOCUMENTS.values():
            raw = screen(encoding)
            console = Console(file=streams.Stream(raw), width=width, _environ={})
            console.print(registry.on_screen(document, verbose), crop=False)
            assert raw.buffer.getvalue().decode(encoding).strip()


def test_an_error_of_the_stream_is_kept_and_ends_the_writing():
    class Full(io.StringIO):
        def write(self, text):
            raise OSError(28, "No space left on device")

    reading, writing = os.pipe()
    full = Full()
    full.fileno = lambda: writing
    stream = streams.Stream(full)
    assert stream.write("text") == 4 and stream.write("more") == 4
    stream.flush()
    assert stream.failure.errno == 28 and not stream.reader_is_gone
    os.close(reading)
    os.close(writing)


def detaudit(*arguments, **variables):
    return subprocess.run(
        [sys.executable, "-m", "detaudit", *arguments],
        capture_output=True,
        env={**os.environ, **variables},
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_commands_print_in_any_encoding_and_files_are_utf_8(encoding, tmp_path):
    document = golden.documents()["report-full"]
    (tmp_path / "report.json").write_text(write.to_json(document))
    path, how = str(tmp_path / "report.json"), {"PYTHONIOENCODING": encoding, "COLUMNS": "20"}
    for arguments in (("--help",), ("run", "--help"), ("report", path), ("explain", "xla")):
        ran = detaudit(*arguments, **how)
        assert (ran.returncode, ran.stderr) == (0, b"") and ran.stdout.decode(encoding)
    for form in ("markdown", "junit", "json", "svg"):
        ran = detaudit("report", path, "--format", form, **how)
        assert ran.stdout.decode("utf-8") == registry.rendered(read.load(path), form)


def test_names_with_control_characters_move_no_cursor(capsys):
    for arguments in (
        ("run", f"{NASTY}.py"),
        ("run", "--json", f"/nowhere/{NASTY}", "train.py"),
        ("run", f"--{NASTY}", "train.py"),
        ("report", NASTY),
        ("run", "--resume", f"/nowhere/{NASTY}", __file__),
        ("run", "--keep", f"/proc/self/{NASTY}", "--python", f"/nowhere/{NASTY}", "train.py"),
        ("explain", NASTY),
        (NASTY,),
    ):
        ran = detaudit(*arguments)
        shown = (ran.stdout + ran.stderr).decode()
        assert ran.returncode == 2 and shown.replace("\n", "").isprintable(), shown
    drawing = progress.Drawing(Console(stderr=True))
    drawing(Notice(NASTY))
    drawing(Phase(NASTY))
    output.warn(NASTY)
    assert capsys.readouterr().err.replace("\n", "").isprintable()


# Pipes that stand for a file ----------------------------------------------------------------------


@pytest.fixture
def fifo(tmp_path, monkeypatch):
    from detaudit.core import files

    monkeypatch.setattr(files, "TO_OPEN", 0.3)
    monkeypatch.setattr(files, "TO_GO_ON", 0.3)
    os.mkfifo(tmp_path / "fifo")
    return tmp_path / "fifo"


def test_a_pipe_without_a_reader_does_not_hang(fifo):
    with pytest.raises(UsageError, match="nobody reads from this pipe"):
        write.save(fifo, "text")


def test_a_pipe_whose_reader_sleeps_does_not_hang(fifo):
    sleeping = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(UsageError, match="stopped"):
        write.save(fifo, "x" * 1_000_000)
    os.close(sleeping)


def test_a_pipe_with_a_reader_gets_the_whole_report(fifo):
    found = []
    reader = threading.Thread(target=lambda: found.append(fifo.read_text()))
    reader.start()
    write.save(fifo, "x" * 1_000_000)
    reader.join()
    assert found == ["x" * 1_000_000]


def test_standard_output_may_be_named_where_it_is_a_pipe(tmp_path):
    document = golden.documents()["report-full"]
    (tmp_path / "report.json").write_text(write.to_json(document))
    code = "from detaudit.report import write; write.save('/dev/stdout', 'text')"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "text"


def test_a_report_may_come_from_a_pipe_and_a_pipe_without_a_writer_does_not_hang(fifo):
    with pytest.raises(ReportUnreadable, match="nobody writes to this pipe"):
        read.load(fifo)
    document = golden.documents()["report-full"]
    writer = threading.Thread(target=fifo.write_text, args=(write.to_json(document),))
    writer.start()
    assert read.load(fifo) == document
    writer.join()


def test_a_saved_audit_is_no_pipe(fifo):
    with pytest.raises(UsageError, match="it is not a file"):
        resume.load(fifo)

"""Any screen: whatever its width and its encoding, and whatever stands in names."""

import io
import os
import threading

import pytest
from detaudit.cli import streams
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


# Pipes that stand for a file ----------------------------------------------------------------------


@pytest.fixture
def fifo(tmp_path, monkeypatch):
    from detaudit.core import files

    monkeypatch.setattr(files, "OPENING_SECONDS", 0.3)
    monkeypatch.setattr(files, "PAUSE_SECONDS", 0.3)
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

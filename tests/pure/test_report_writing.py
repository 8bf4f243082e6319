"""A report is written completely or not at all, and an unwritable place is reported in one
sentence.
"""

import os
import resource
import signal
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from detaudit.errors import UsageError
from detaudit.report import write


@contextmanager
def small_disk():
    """No file may grow beyond 4 kB: writing fails in the middle, as on a full disk.

    For the call alone: pytest's own output may go to a file too, and is not to be cut off.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_new_file_and_its_permissions(tmp_path):
    before = os.umask(0o027)
    try:
        write.save(tmp_path / "report.json", "text \u2713\n")
    finally:
        os.umask(before)
    assert (tmp_path / "report.json").read_text(encoding="utf-8") == "text \u2713\n"
    assert (tmp_path / "report.json").stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["report.json"]


def test_write_that_fails_in_the_middle_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "report.json"
    target.write_text("old")
    with (
        pytest.raises(UsageError, match=r"Cannot write .*report\.json: .*100 kB free"),
        small_disk(),
    ):
        write.save(target, "x" * 100_000)
    assert os.listdir(tmp_path) == ["report.json"] and target.read_text() == "old"


def test_full_device_is_reported():
    with pytest.raises(UsageError, match="No space left on device"):
        write.save("/dev/full", "x" * 100_000)


def test_link_stays_a_link_and_a_device_stays_a_device(tmp_path):
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to("real.json")
    write.save(tmp_path / "link.json", "new")
    assert (tmp_path / "link.json").is_symlink() and (tmp_path / "real.json").read_text() == "new"
    write.save("/dev/null", "gone")
    assert not os.path.isfile("/dev/null")


def test_a_draft_of_another_is_not_taken_away(tmp_path):
    draft = tmp_path / f".detaudit-{os.getpid()}-{threading.get_ident()}.part"
    draft.write_text("theirs")
    with pytest.raises(UsageError, match="File exists"):
        write.save(tmp_path / "report.json", "mine")
    assert draft.read_text() == "theirs"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere/report.json", "its folder does not exist"),
        ("file/report.json", "its folder does not exist"),
        ("folder", "it is a folder"),
    ],
)
def test_unwritable_target_is_reported_before_the_work_and_after_it(tmp_path, name, said):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=said):
        write.check_target(tmp_path / name)
    with pytest.raises(UsageError, match="Cannot write"):
        write.save(tmp_path / name, "x")
    assert (
        sorted(os.listdir(tmp_path)) == ["file", "folder"] and os.listdir(tmp_path / "folder") == []
    )


def test_two_options_do_not_name_one_file(tmp_path):
    report, link = tmp_path / "report", tmp_path / "link"
    report.touch()
    link.symlink_to(report)
    for other in (report, link, tmp_path / "folder" / ".." / "report"):
        with pytest.raises(UsageError, match="--json and --log-file both name"):
            write.refuse_equal({"json": report, "markdown": None, "log-file": other})
    device = Path("/dev/null")
    write.refuse_equal({"json": device, "markdown": device, "log-file": report, "keep": None})


def test_a_dash_is_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="/dev/stdout"):
        write.check_target(Path("-"))


def test_a_working_folder_that_is_gone_is_a_usage_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tmp_path.rmdir()
    with pytest.raises(UsageError, match="working folder no longer exists"):
        write.check_target(Path("report.json"))


def test_usable_target_passes_the_check_and_nothing_is_made(tmp_path):
    (tmp_path / "there.json").touch()
    for target in (
        None,
        tmp_path / "new.json",
        tmp_path / "there.json",
        "/dev/stdout",
        "/dev/null",
    ):
        write.check_target(target)
    assert os.listdir(tmp_path) == ["there.json"]


def test_a_path_with_an_escape_sequence_is_shown_harmless(tmp_path):
    with pytest.raises(UsageError) as caught:
        write.save(tmp_path / "no\x1b[31m" / "report.json", "x")
    assert "\\x1b[31m" in str(caught.value) and "\x1b" not in str(caught.value)


def test_plain_json_is_sorted():
    assert write.plain_json({"b": [1], "a": None}) == '{\n "a": null,\n "b": [\n  1\n ]\n}\n'

"""What the command prints: in any encoding, and whatever stands in names."""

import os
import subprocess
import sys

import pytest
from detaudit.cli import messages, progress
from detaudit.core.events import Notice, Phase
from detaudit.report import read, write
from detaudit.report.formats import registry
from rich.console import Console

from tests.pure import golden
from tests.pure.test_streams import NASTY

pytestmark = pytest.mark.wire


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


def test_a_width_of_nothing_is_no_width():
    assert (
        detaudit("explain", "xla", COLUMNS="0").stdout == detaudit("explain", "xla").stdout != b""
    )


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
    messages.warn(NASTY)
    assert capsys.readouterr().err.replace("\n", "").isprintable()


def test_standard_output_may_be_named_where_it_is_a_pipe(tmp_path):
    document = golden.documents()["report-full"]
    (tmp_path / "report.json").write_text(write.to_json(document))
    code = "from detaudit.report import write; write.save('/dev/stdout', 'text')"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "text"

"""A fix with something private in it: whole in the file that was asked for, masked in every
report.
"""

import json
import stat
from dataclasses import replace

import pytest
from detaudit.cli.app import app
from detaudit.commands.run import session
from detaudit.report import write
from detaudit.report.pages.run import REDACTED
from typer.testing import CliRunner

from tests.pure import example_runs

SECRET, ARGUMENT = "correct-horse-7", "kangaroo-8"
DIFF = (
    "--- a/train.py\n+++ b/train.py\n@@ -1,2 +1,4 @@\n+import random\n+random.seed(1)\n import keras\n"
    f' db = connect("{SECRET}", password="hunter2zq9")\n'
)
REPORTS = ("report.json", "report.md", "report.xml")


@pytest.fixture
def command(tmp_path, monkeypatch):
    """``detaudit run`` with every file requested, for an audit whose fix contains secrets."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DB_PASSWORD", SECRET)
    (tmp_path / "train.py").write_text("import keras\n")

    def run(diff: str):
        audit = replace(
            example_runs.DIFFERING,
            fix=replace(example_runs.DIFFERING.fix, diff=diff),
            arguments=("--token", ARGUMENT),
            no_fix_reason=f"refused: {ARGUMENT}",
            traceback=f"ValueError: {SECRET} is refused\n",
            reason=f"ValueError: {SECRET} is refused",
        )
        monkeypatch.setattr(session, "run", lambda *_: audit)
        files = ["--json", REPORTS[0], "--markdown", REPORTS[1], "--junit", REPORTS[2]]
        asked = ["run", *files, "--write-fix", "fix.diff", "-v", "train.py"]
        return CliRunner().invoke(app, asked).output

    return run


def test_the_screen_and_the_reports_hold_nothing_of_it(command, tmp_path):
    shown = {"the screen": command(DIFF)}
    shown |= {name: (tmp_path / name).read_text() for name in REPORTS}
    for name, text in shown.items():
        for secret in (SECRET, ARGUMENT, "hunter2zq9"):
            assert secret not in text, name
    fix = json.loads(shown["report.json"])["fix"]
    assert fix["redacted"] is True
    assert ' db = connect("<secret>", password="<secret>")' in fix["diff"]
    for name in ("the screen", "report.md", "report.xml"):
        assert "does not apply" in " ".join(shown[name].split()), name


def test_the_file_of_the_fix_is_whole_and_for_its_owner_alone(command, tmp_path):
    (tmp_path / "fix.diff").write_text(write.FIX_HEADER)
    (tmp_path / "fix.diff").chmod(0o644)
    command(DIFF)
    assert (tmp_path / "fix.diff").read_text() == write.FIX_HEADER + DIFF
    assert stat.S_IMODE((tmp_path / "fix.diff").stat().st_mode) == 0o600


def test_a_fix_with_nothing_private_says_nothing_of_it(command, tmp_path):
    shown = command(example_runs.DIFFERING.fix.diff)
    assert REDACTED not in " ".join(shown.split())
    assert json.loads((tmp_path / "report.json").read_text())["fix"]["redacted"] is False

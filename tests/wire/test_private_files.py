"""What an audit of a script leaves on the disk: no variable and no argument that nobody asked it to
keep.
"""

import json
import os
import stat
import sys
import textwrap
from pathlib import Path

import pytest
from detaudit.commands.run import session
from detaudit.execution.program import program

SECRET, ARGUMENT = "correct-horse-7", "kangaroo-8"
#: It looks for what it was given in everything that the audit has written by then.
SCRIPT = """
    import os, pathlib, sys

    needles = [os.environ["DB_PASSWORD"].encode(), sys.argv[2].encode()]
    folder = pathlib.Path(os.environ["_DETAUDIT_TRIAL"])
    while not folder.name.startswith("d-"):
        folder = folder.parent
    for path in folder.rglob("*"):
        if path.is_file() and any(needle in path.read_bytes() for needle in needles):
            print("FOUND in", path.name)
    print("looked through", folder, oct(folder.stat().st_mode & 0o777))
"""


@pytest.fixture
def audit(tmp_path, monkeypatch):
    """Audit the script once, with a secret variable and a secret argument; what was kept."""
    monkeypatch.setenv("DB_PASSWORD", SECRET)
    monkeypatch.setenv("PYTHONHASHSEED", "0")

    def run(**options) -> tuple[session.RunAudit, Path]:
        work = tmp_path / "work"
        work.mkdir(exist_ok=True)
        (work / "train.py").write_text(textwrap.dedent(SCRIPT))
        kept = tmp_path / "kept"
        found = program.find("train.py", False, ("--password", ARGUMENT), work)
        asked = session.Options(
            python=sys.executable, pairs=1, search=False, cost=False, keep=str(kept), **options
        )
        return session.run(found, asked, lambda event: None), kept

    return run


def holding(folder: Path, *needles: str) -> set[str]:
    """The names of the files below a folder in which one of ``needles`` stands."""
    return {
        path.name
        for path in folder.rglob("*")
        if path.is_file() and any(needle.encode() in path.read_bytes() for needle in needles)
    }


def test_no_variable_and_no_argument_lies_on_the_disk(audit):
    found, kept = audit()
    assert "looked through" in found.output and "0o700" in found.output
    assert "FOUND" not in found.output, "while the runs were under way"
    assert holding(kept, SECRET, ARGUMENT) == set()
    assert holding(kept, "DB_PASSWORD") == set(), "nor a name, nor a digest of its value"
    assert stat.S_IMODE(os.stat(kept).st_mode) == 0o700
    launch = json.loads(next(kept.rglob("launch.json")).read_text())
    assert launch["environment"]["PYTHONHASHSEED"] == "0" and "HOME" not in launch["environment"]
    assert launch["command"][1:] == [launch["command"][1]] and launch["arguments"] == 2


def test_both_are_kept_where_that_was_asked_for(audit):
    _, kept = audit(keep_environment=True)
    assert holding(kept, SECRET) == {"launch.json"} == holding(kept, ARGUMENT)
    assert stat.S_IMODE(os.stat(kept).st_mode) == 0o700

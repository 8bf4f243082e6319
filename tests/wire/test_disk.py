"""Nobody's disk is filled: what is not needed goes as the audit goes on, and what does not fit is
refused.
"""

import collections
import re
import shutil
import sys
import tempfile

import pytest
from detaudit.commands.run.session import Options, run
from detaudit.core import printed
from detaudit.core.trace import Trace
from detaudit.execution.program import process, program
from detaudit.execution.sandbox.errors import SandboxFailed
from detaudit.execution.sandbox.tree import size_of

from tests.slow import slow

LINES = "for number in range(300_000):\n    print(number, 'x' * 90)\n"  # 29 MB


@pytest.fixture
def audit(tmp_path, monkeypatch):
    """Audit a script without a search; what was found, and the folder of its traces."""
    (tmp_path / "project").mkdir()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))

    def audit_one(script, **options):
        (tmp_path / "project" / "train.py").write_text(script)
        found = program.find("train.py", False, (), tmp_path / "project")
        keep = tmp_path / "kept"
        how = {"pairs": 1, "search": False, "keep": str(keep), **options}
        return run(found, Options(sys.executable, **how), lambda event: None), keep

    return audit_one


def test_of_what_runs_print_little_is_left_and_it_is_still_compared(audit):
    found, keep = audit(LINES + "import os\nprint(os.urandom(8))\n")
    texts = list(keep.glob("r/*/trials/*/stdout*"))
    runs = len(texts) // 2
    assert size_of(keep) < 4_000_000 * runs
    assert sorted(path.name for path in texts) == runs * ["stdout.end"] + runs * ["stdout.gz"]
    assert found.output.startswith("0 xxx") and len(found.output) == 1_000_000
    trace = Trace(texts[0].parent, {}, ())
    assert len(trace.stdout(20_000_000)) == printed.MOST


@slow
def test_a_line_that_differs_within_the_bound_is_seen(audit):
    found, keep = audit("import os\nprint(os.urandom(1)[0] / 7, os.urandom(1)[0] / 7)\n" + LINES)
    assert found.reproducible is False
    (done, other, *_) = [Trace(path.parent, {}, ()) for path in keep.glob("r/*/trials/*/stdout.gz")]
    texts = [trace.stdout(printed.MOST).splitlines() for trace in (done, other)]
    assert (
        texts[0][0] != texts[1][0] and texts[0][1:-1] == texts[1][1:-1] and len(texts[0]) > 90_000
    )


def test_the_end_of_a_long_text_is_still_there(tmp_path):
    path = tmp_path / "stderr"
    path.write_text("x" * printed.SHORT + "\nValueError: the last line\n")
    before = printed.end(path)
    printed.compact(path)
    assert not path.exists() and printed.end(path) == before
    assert printed.beginning(path, 3) == b"xxx"
    printed.compact(path)  # once more: nothing happens
    assert printed.end(path) == before and printed.beginning(tmp_path / "none", 3) == b""


def test_what_does_not_fit_is_refused_and_what_is_known_is_reported(audit, monkeypatch):
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 0, 20_000_000))
    found, _ = audit(LINES, jobs=1)
    assert found.reproducible is None and len(found.trials) == 1
    assert (
        re.search(r"one run takes 3\d\.\d MB", found.reason)
        and "only 20.0 MB is free" in found.reason
    )


def test_a_forecast_counts_the_runs_to_come(tmp_path, monkeypatch):
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 0, 50_000_000))
    process.Room(2, 70, peak=10_000_000, left=400_000).check(tmp_path)
    with pytest.raises(SandboxFailed, match=r"69 more runs, 2 at a time, would need 54\.5 MB"):
        process.Room(2, 70, peak=10_000_000, left=500_000).check(tmp_path)

"""The installed command, run as a user runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

#: A short scan that still has a control, a source that parts and one that is skipped.
SHORT = ("--only", "python-random", "--trials", "1")


class Ran:
    """A finished command: its exit code, what it printed, and the report it wrote."""

    def __init__(self, process: subprocess.CompletedProcess, report: Path):
        self.code, self.out, self.err = process.returncode, process.stdout, process.stderr
        self.report = json.loads(report.read_text()) if report.exists() else None


def command() -> str:
    """The `detaudit` beside this interpreter."""
    path = Path(sys.executable).with_name("detaudit")
    if not path.exists():
        pytest.skip("the command is not installed beside this interpreter")
    return str(path)


@pytest.fixture
def detaudit(tmp_path):
    def run(*arguments: str, timeout: float = 1800, **environment: str) -> Ran:
        report = tmp_path / "report.json"
        more = (
            ("--json", str(report))
            if arguments and arguments[0] == "scan" and "--json" not in arguments
            else ()
        )
        process = subprocess.run(
            [command(), *arguments, *more],
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=tmp_path,
            env={**os.environ, "NO_COLOR": "1", **environment},
            check=False,
        )
        return Ran(process, report)

    return run

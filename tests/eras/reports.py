"""A scan of every environment of eight years, and the page that compares them.

``python -m tests.eras.reports [--environments DIR] [--only NAME ...] [--trials N] [--page]``

Environments are made in DIR where they are not there. Each report goes to ``docs/reports/NAME.json``; the page
``docs/explanation/eras.md`` is written from what lies there, ``--page`` writes it alone.
"""
import argparse
import os
import subprocess
import sys
from pathlib import Path

from detaudit.report import read, v1

from tests.eras import environments
from tests.eras.environments import ENVIRONMENTS, CannotBuild, Environment

ROOT = Path(__file__).parents[2]
REPORTS = ROOT / "docs" / "reports"
PAGE = ROOT / "docs" / "explanation" / "eras.md"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--environments", type=Path, default=ROOT / "build" / "eras")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--trials", default="2")
    parser.add_argument("--page", action="store_true")
    options = parser.parse_args()
    for environment in ENVIRONMENTS if not options.page else ():
        if options.only and environment.name not in options.only:
            continue
        try:
            python = environments.build(environment, options.environments)
        except CannotBuild as reason:
            print(f"{environment.title}: {reason}", file=sys.stderr)
            continue
        print(f"{environment.title}: exit code {scan(environment, python, options.trials)}", flush=True)
    PAGE.write_text(page({one.name: read.load(path) for one in ENVIRONMENTS
                          for path in [REPORTS / f"{one.name}.json"] if path.exists()}))
    return 0


def scan(environment: Environment, python: str, trials: str) -> int:
    REPORTS.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "detaudit", "scan", "--quiet", "--python", python, "--device", "cpu",
               "--backend", environment.backend, "--trials", trials, "--timeout", "600",
               "--json", str(REPORTS / f"{environment.name}.json")]
    return subprocess.run(command, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}, check=False).returncode


def page(reports: dict[str, v1.Document]) -> str:
    return ""


if __name__ == "__main__":
    sys.exit(main())

"""A scan of every environment of eight years, and the page that compares them.

``python -m tests.eras.reports [--environments DIR] [--only NAME ...] [--trials N] [--page]``

Environments are made in DIR where they are not there. Each report goes to
``docs/reports/NAME.json``; the page ``docs/explanation/eras.md`` is written from what lies there,
``--page`` writes it alone.
"""

import argparse
import itertools
import os
import subprocess
import sys
from pathlib import Path

import msgspec
from detaudit.report import read
from detaudit.report.pages import wording
from detaudit.report.schema import v1

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
        print(
            f"{environment.title}: exit code {scan(environment, python, options.trials)}",
            flush=True,
        )
    PAGE.write_text(
        page(
            {
                one.name: read.load(path)
                for one in ENVIRONMENTS
                for path in [REPORTS / f"{one.name}.json"]
                if path.exists()
            }
        )
    )
    return 0


def scan(environment: Environment, python: str, trials: str) -> int:
    """Scan the environment and keep the report, on one line."""
    REPORTS.mkdir(exist_ok=True)
    report = REPORTS / f"{environment.name}.json"
    command = [
        sys.executable,
        "-m",
        "detaudit",
        "scan",
        "--quiet",
        "--python",
        python,
        "--device",
        "cpu",
        "--backend",
        environment.backend,
        "--trials",
        trials,
        "--timeout",
        "600",
        "--json",
        str(report),
    ]
    code = subprocess.run(
        command,
        env={**os.environ, **environment.variables, "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=False,
    ).returncode
    if report.exists():
        report.write_bytes(msgspec.json.format(report.read_bytes(), indent=-1) + b"\n")
    return code


def page(reports: dict[str, v1.Report]) -> str:
    known = [(environments.named(name), report) for name, report in reports.items()]
    missing = [one.title for one in ENVIRONMENTS if one.name not in reports]
    parts = [HEAD, *audited(known)]
    if missing:
        parts += [f"Not audited: {'; '.join(missing)}.", ""]
    parts += [
        DECIDES,
        *decided(known),
        RECIPES,
        *recipes(known),
        SOURCES,
        *verdicts(known),
        CHANGED,
        *changes(known),
    ]
    return "\n".join(parts).rstrip() + "\n"


Known = list[tuple[Environment, v1.Report]]


def table(columns: list[str], rows: list[list[str]]) -> list[str]:
    lines = [columns, ["---"] * len(columns), *rows]
    return [*(f"| {' | '.join(cells)} |" for cells in lines), ""]


def audited(known: Known) -> list[str]:
    return table(
        ["environment", "versions and machine", "report"],
        [
            [
                one.title,
                wording.context(report),
                f"[{report.header.began[:10]}](../reports/{one.name}.json), "
                f"{len(report.trials)} trials",
            ]
            for one, report in known
        ],
    )


def deciding(report: v1.Report, component: str) -> str | None:
    """The generators that decide a use, or None where the use was not tried."""
    cells = [cell for cell in report.matrix if cell.component == component]
    if not cells:
        return None
    found = [f"`{cell.generator}`" for cell in cells if cell.decides]
    return ", ".join(found) or "none of them"


def whole(report: v1.Report, component: str) -> str:
    """What decides a use, and that another generator could not be judged, where it is so."""
    undecided = [
        cell.generator
        for cell in report.matrix
        if cell.component == component and cell.decides is None
    ]
    said = deciding(report, component)
    return (
        "" if said is None else f"{said} ({', '.join(undecided)} not judged)" if undecided else said
    )


def decided(known: Known) -> list[str]:
    return table(
        ["", *COMPONENTS],
        [
            [one.title, *(whole(report, component) for component in COMPONENTS)]
            for one, report in known
        ],
    )


def weakest(report: v1.Report) -> str:
    if report.recipe is None:
        return "none that was tried"
    pairs = wording.number(report.recipe.runs // 2, "pair")
    proof = {True: f"verified in {pairs}", False: "**not** verified", None: "not verified"}[
        report.recipe.verified
    ]
    return f"{report.recipe.title} ({proof})"


def recipes(known: Known) -> list[str]:
    return table(
        ["environment", "with everything pinned", "weakest recipe that works"],
        [
            [
                one.title,
                {True: "repeats", False: "**differs**", None: "not decided"}[
                    report.control.matches
                ],
                weakest(report),
            ]
            for one, report in known
        ],
    )


def verdict(report: v1.Report, source: str) -> str | None:
    """What the scan says of a source in a few words, or None where the source is not known
    there.
    """
    found = next((one for one in report.verdicts if one.source == source), None)
    if found is None:
        return None
    pin = f"`{found.pin}`" if found.pin else "a setting"
    return {
        "needs-pin": pin,
        "reproducible": "=",
        "varies": "varies",
        "broken": "**broken**",
        "skipped": "·",
        "error": "?",
    }[found.verdict]


def verdicts(known: Known) -> list[str]:
    sources = list(
        dict.fromkeys(
            one.source
            for _, report in reversed(known)
            for one in report.verdicts
            if one.family != "gpu" and not one.source.startswith("third-party")
        )
    )
    return table(
        ["", *(one.title for one, _ in known)],
        [[source, *(verdict(report, source) or "" for _, report in known)] for source in sources],
    )


def changes(known: Known) -> list[str]:
    """From each environment of TensorFlow to the next: what decides, and what a scan says, that it
    did not before.
    """
    lines = []
    line = [(one, report) for one, report in known if one.backend == "tensorflow"]
    for (old, before), (new, now) in itertools.pairwise(line):
        found = [
            f"{component}: {deciding(before, component)} → {deciding(now, component)}"
            for component in COMPONENTS
            if None not in (deciding(before, component), deciding(now, component))
            and deciding(before, component) != deciding(now, component)
        ]
        shared = [one.source for one in now.verdicts if one.source not in COMPONENTS]
        found += [
            f"{source}: {verdict(before, source)} → {verdict(now, source)}"
            for source in shared
            if verdict(before, source) not in (None, "?", "·")
            and verdict(now, source) not in ("?", "·")
            and verdict(before, source) != verdict(now, source)
        ]
        if weakest(before) != weakest(now):
            found.append(f"the weakest recipe: {weakest(before)} → {weakest(now)}")
        reported = [f"- {one}" for one in found] or ["No difference in what was tried in both."]
        lines += [f"**{old.title} → {new.title}**", "", *reported, ""]
    return lines


COMPONENTS = ("weight-init", "dropout", "batch-shuffle", "embedding", "augmentation")

HEAD = """<!-- written by tests/eras/reports.py from docs/reports/ -->
# Eight years of Keras, audited

What decides a training run in each version from Keras 2.0.3 to Keras 3, and what an upgrade changes: one scan of each
environment.

Each scan was run with `detaudit scan --python OLD/bin/python`, which installs nothing in the environment. `tf_keras` is
Keras 2 as a package next to a current TensorFlow. `python -m tests.eras.reports` makes the scans again, and the
environments too, from the pins in `tests/eras/pins/`. You can audit your own environment
[in the same way](../how-to/another-environment.md).
"""
DECIDES = """## Which generator decides

The generators that make runs differ if they are unpinned, one at a time, with everything else pinned. `keras-seed` is
Keras' own global generator.
"""
RECIPES = """## Which recipe works

Verified: the printed lines, in a script of their own, matched in that many pairs of fresh processes. One pair excludes
a rate of differing pairs above 95 % and nothing below it; a scan now runs five pairs.
"""
SOURCES = """## What makes runs differ

The name of a pin: runs differ without it, and match with it. `varies`: each setting gives the same bits every
time, but settings differ. `=`: no difference observed. `·`: not tried, or not used; an empty cell: not a source there.
`?`: not decided.
"""
CHANGED = """## What changed from each version to the next

What an upgrade of TensorFlow and Keras changes, according to the verdicts above.
"""

if __name__ == "__main__":
    sys.exit(main())

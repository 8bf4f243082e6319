"""How far the results of our own models are apart by component, on three backends:
``python -m tests.bench.spreads [--runs N] [--jobs N] [BACKEND=PYTHON ...]``.

Each BACKEND (tensorflow, jax or torch) is run in its PYTHON, for both models; without one, nothing
is run. The reports are kept in ``docs/reports/spread/``; the page
``docs/explanation/spread-of-our-models.md`` is written from what lies there.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from detaudit_probes.kit.models import COMPONENTS

DOCS = Path(__file__).parents[2] / "docs"
REPORTS, PAGE = DOCS / "reports" / "spread", DOCS / "explanation" / "spread-of-our-models.md"
BACKENDS = ("tensorflow", "jax", "torch")
#: The rows of two published tables, by the rows of ours.
PUBLISHED = {
    "every seed": "ALGO",
    "parallel arithmetic": "IMPL",
    "everything": "ALGO + IMPL",
    "nothing": "control",
    "weight-init": "parameter initialization",
    "batch-shuffle": "data shuffling",
    "dropout with batch-shuffle": "dropout, data shuffling",
    "augmentation": "data augmentation",
    "dropout": "dropout",
    "one bit": "one bit of one weight",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("environments", nargs="*", metavar="BACKEND=PYTHON")
    parser.add_argument("--runs", default="30")
    parser.add_argument("--jobs", default="2")
    options = parser.parse_args()
    REPORTS.mkdir(parents=True, exist_ok=True)
    for backend, _, python in (one.partition("=") for one in options.environments):
        for model in COMPONENTS:
            command = [sys.executable, "-m", "detaudit", "spread", "--by-source", "--model", model]
            command += ["--runs", options.runs, "--jobs", options.jobs, "--backend", backend]
            command += ["--python", python, "--json", str(REPORTS / f"{model}-{backend}.json")]
            print(*command[1:], flush=True)
            subprocess.run(command, check=True)
    PAGE.write_text(page(), encoding="utf-8")
    return 0


def page() -> str:
    return "\n".join([HEAD, *(line for model in COMPONENTS for line in _table(model)), TAIL])


def _table(model: str) -> Iterator[str]:
    reports = {
        backend: json.loads(path.read_text(encoding="utf-8"))
        for backend in BACKENDS
        if (path := REPORTS / f"{model}-{backend}.json").exists()
    }
    yield from (f"## The {model}", "")
    number = "accuracy" if model == "classifier" else "loss"
    titles = ("backend", "free", "published as", "identical", "first differ at")
    yield f"| {' | '.join(titles)} | SD of the {number} | 95 % interval | churn |"
    yield "|---|---|---|---|---|---|---|---|"
    for backend, report in reports.items():
        for row in report["by_source"]:
            yield f"| {' | '.join((backend, row['free'], PUBLISHED.get(row['free'], ''), *_cells(row)))} |"
    yield ""
    for backend, report in reports.items():
        yield (
            f"- {backend}: {_environment(report)}; {report['options']['runs']} runs of each row"
            + (
                f"; as many find an SD twice as large in {report['power']:.0%} of simulated cases"
                if report["power"] is not None
                else ""
            )
        )
    yield ""


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    metric = row["metrics"][0] if row["metrics"] else {}
    interval, found = metric.get("spread_interval"), row["divergence"]
    place = "" if found is None else f"{found['stage']}, {found['name']}"
    if found is not None and found["step"] is not None:
        place = f"{found['stage']}, step {found['step']}, {found['name']}"
    return (
        f"{row['identical']} of {row['runs']}",
        place,
        "" if metric.get("spread") is None else f"{metric['spread']:.2g}",
        "" if interval is None else f"{interval['low']:.2g} to {interval['high']:.2g}",
        "" if row["churn"] is None else f"{row['churn']:.1%}",
    )


def _environment(report: dict[str, Any]) -> str:
    facts = report["environment"]
    packages = facts.get("packages", {})
    named = ("keras", "tensorflow", "jax", "torch", "numpy")
    versions = [f"{name} {packages[name]}" for name in named if name in packages]
    return ", ".join([f"Python {facts.get('python', '?')}", *versions])


HEAD = """<!-- written by tests/bench/spreads.py from docs/reports/spread/ -->
# How far our own models are apart, by component

`detaudit spread --by-source --model tutorial` and `--model classifier`, by backend: in each row, only this is
free. The first model is the network of the 2017 tutorial (ten hidden units, nine points, here a hundred of its thousand
epochs), the second a small convolutional network that tells four kinds of 8 x 8 images apart, with dropout and
augmentation, tested on 200 images. `published as` is what [Zhuang et al.](https://arxiv.org/abs/2106.11872) and
[Summers and Dinneen](https://arxiv.org/abs/2103.04514) call such a row. Their networks are larger and ran on GPUs: what
can be compared is which rows differ at all, and which is larger than which, not the numbers.
"""
TAIL = """Rows are not ranked: two standard deviations that differ by less than a factor of two may be equal.
`python -m tests.bench.spreads tensorflow=PYTHON jax=PYTHON torch=PYTHON` writes this page anew.
"""

if __name__ == "__main__":
    sys.exit(main())

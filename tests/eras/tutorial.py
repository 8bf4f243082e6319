"""The 2017 tutorial, re-run: its program in every environment, each recipe in several fresh
processes.

``python -m tests.eras.tutorial [--environments DIR] [--only NAME ...] [--page]``

Environments are made in DIR where they are not there. What was measured goes to
``docs/reports/tutorial-2017.json``, environment by environment, and the page
``docs/explanation/tutorial-2017.md`` is written from that file; ``--page`` writes it alone.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
from datetime import date
from pathlib import Path

from detaudit_probes.sources import update_race

from tests.eras import environments
from tests.eras.environments import ENVIRONMENTS, CannotBuild, Environment

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("tutorial_2017.py")
FOUND = ROOT / "docs" / "reports" / "tutorial-2017.json"
PAGE = ROOT / "docs" / "explanation" / "tutorial-2017.md"
PROCESSES = 5

#: As the tutorial printed them.
#: (https://machinelearningmastery.com/reproducible-results-neural-networks-keras/)
PRINTED = {
    "theano": (
        0.169326527063,
        2.75750621228e-05,
        0.0183287291562,
        1.93553737255e-07,
        0.0549871087449,
        0.0906326807824,
        0.00337575114075,
        0.00414857518259,
        8.14587362008e-08,
        0.0522927019639,
    ),
    "tensorflow": (
        0.224045112999,
        0.00154879478823,
        0.00387589994044,
        0.0292376881968,
        0.00945528404353,
        0.013305765525,
        0.0206255228201,
        0.0359538356108,
        0.00441943512128,
        0.298706569397,
    ),
}
#: What each recipe is called, and the seeds that the program is given.
RECIPES = {
    "nothing": (),
    "`numpy.random.seed(1)`": ("numpy",),
    "the backend's seed alone": ("backend",),
    "both: the tutorial's recipe": ("numpy", "backend"),
    "both, and one thread": ("numpy", "backend", "one-thread"),
    "both, and ordered updates": ("numpy", "backend", "ordered"),
    "both, and Python's `random`": ("numpy", "backend", "python"),
    "`keras.utils.set_random_seed(1)`": ("keras",),
}
#: Seeds that mean something only here.
SINCE_KERAS_2_10 = ("tf212", "tf215", "tfkeras221", "tf221", "jax", "torch")
ONLY = {
    "one-thread": ("tf11", "tf115"),
    "ordered": ("tf11", "tf115"),
    "python": SINCE_KERAS_2_10,
    "keras": SINCE_KERAS_2_10,
}
#: What is compared with the printed lists: a heading, the environments, and the recipe.
COMPARED = (
    (
        "theano",
        "Theano, with NumPy seeded with 1:",
        ("theano09", "theano105"),
        "`numpy.random.seed(1)`",
    ),
    (
        "tensorflow",
        "TensorFlow, with NumPy seeded with 1 and TensorFlow with 2:",
        ("tf11", "tf115"),
        "both: the tutorial's recipe",
    ),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--environments", type=Path, default=ROOT / "build" / "eras")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--page", action="store_true")
    options = parser.parse_args()
    found = json.loads(FOUND.read_text()) if FOUND.exists() else {}
    for environment in ENVIRONMENTS if not options.page else ():
        if options.only and environment.name not in options.only:
            continue
        try:
            found[environment.name] = measured(environment, options.environments)
        except CannotBuild as reason:
            print(f"{environment.title}: {reason}", file=sys.stderr)
            continue
        FOUND.parent.mkdir(exist_ok=True)
        FOUND.write_text(json.dumps(found, separators=(",", ":")) + "\n")
    PAGE.write_text(page(found))
    return 0


def measured(environment: Environment, folder: Path) -> dict:
    """The ten errors of every process, recipe by recipe."""
    python = environments.build(environment, folder)
    errors = {}
    for title, seeds in RECIPES.items():
        if all(environment.name in ONLY.get(one, (environment.name,)) for one in seeds):
            if environment.backend in ("theano", "jax") and "backend" in seeds:
                continue  # neither has a global generator
            errors[title] = [run(environment, python, seeds, folder) for _ in range(PROCESSES)]
            print(
                f"{environment.title}: {title}: {len(set(map(tuple, errors[title])))} of {PROCESSES}",
                flush=True,
            )
    return {
        "title": environment.title,
        "backend": environment.backend,
        "date": date.today().isoformat(),
        "cores": os.cpu_count(),
        "errors": errors,
    }


def run(environment: Environment, python: str, seeds: tuple[str, ...], folder: Path) -> list[float]:
    """Ten errors of one process. Theano keeps what it compiled."""
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "KERAS_BACKEND": environment.backend,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "ORDERED_UPDATES": "\n".join(update_race.LINES),
        "THEANO_FLAGS": f"base_compiledir={folder}/compiled-{environment.name}",
        **environment.variables,
    }
    done = subprocess.run(
        [python, str(PROGRAM), *seeds], env=variables, capture_output=True, text=True, timeout=900
    )
    if done.returncode:
        raise RuntimeError(f"{environment.title}: {done.stderr[-2000:]}")
    errors = [float(line) for line in done.stdout.split() if line[0].isdigit()]
    if len(errors) != 10:
        raise RuntimeError(f"{environment.title}: {len(errors)} numbers: {done.stdout[-500:]}")
    return errors


def digits(printed: float, now: float) -> float:
    """Return how many significant digits are equal; 17 if all bits are."""
    return 17.0 if printed == now else max(0.0, -math.log10(abs(printed - now) / abs(printed)))


def page(found: dict) -> str:
    known = [found[one.name] for one in ENVIRONMENTS if one.name in found]
    missing = [one.title for one in ENVIRONMENTS if one.name not in found]
    parts = [HEAD, *repeats(known), AGREE, *agreement(known), THEN, *then_and_now(known), WHY]
    when = " and ".join(sorted({one["date"] for one in known}))
    counts = sorted({len(runs) for one in known for runs in one["errors"].values()})
    parts.append(
        f"Measured on {when}, on {known[0]['cores']} cores, {' or '.join(map(str, counts))} processes per\n"
        "recipe; the numbers of every process are in `docs/reports/tutorial-2017.json`.\n"
        "`python -m tests.eras.tutorial` measures them again, and makes the environments too."
        + (f"\nNot run: {'; '.join(missing)}." if missing else "")
    )
    return "\n".join(parts) + "\n"


def repeats(known: list[dict]) -> list[str]:
    titles = [title for title in RECIPES if any(title in one["errors"] for one in known)]
    rows = [f"| | {' | '.join(titles)} |", "|---|" + "---|" * len(titles)]
    for one in known:
        cells = []
        for title in titles:
            runs = one["errors"].get(title)
            distinct = len(set(map(tuple, runs))) if runs else 0
            cells.append(
                ""
                if not runs
                else "**repeats**"
                if distinct == 1
                else f"{distinct} of {len(runs)} differ"
            )
        rows.append(f"| {one['title']} | " + " | ".join(cells) + " |")
    return [*rows, ""]


def agreement(known: list[dict]) -> list[str]:
    rows = [
        "| | list of 2017 | matching digits: median, worst | between processes: worst |",
        "|---|---|---|---|",
    ]
    for backend, _, names, recipe in COMPARED:
        for one in shown(known, names):
            runs = one["errors"][recipe]
            agree = [digits(then, now) for then, now in zip(PRINTED[backend], runs[0], strict=True)]
            worst = min(
                digits(a, b) for other in runs[1:] for a, b in zip(runs[0], other, strict=True)
            )
            between = "every bit" if worst == 17 else f"{worst:.1f} digits"
            rows.append(
                f"| {one['title']} | {backend.replace('t', 'T', 1).replace('flow', 'Flow')}'s | "
                f"{statistics.median(agree):.1f}, {min(agree):.1f} | {between} |"
            )
    return [*rows, ""]


def then_and_now(known: list[dict]) -> list[str]:
    found = []
    for backend, heading, names, recipe in COMPARED:
        some = shown(known, names)
        rows = [
            f"| printed in 2017 | {' | '.join(one['title'] for one in some)} |",
            "|---|" + "---|" * len(some),
        ]
        for place, then in enumerate(PRINTED[backend]):
            now = " | ".join(f"{one['errors'][recipe][0][place]:.12g}" for one in some)
            rows.append(f"| {then:.12g} | {now} |")
        found += [heading, "", *rows, ""]
    return found


def shown(known: list[dict], names: tuple[str, ...]) -> list[dict]:
    titles = [environments.named(name).title for name in names]
    return [one for one in known if one["title"] in titles]


HEAD = """<!-- written by tests/eras/tutorial.py from docs/reports/tutorial-2017.json -->
# The 2017 tutorial, re-run

In June 2017 Jason Brownlee published [How to Get Reproducible Results with
Keras](https://machinelearningmastery.com/reproducible-results-neural-networks-keras/). It trains a network of ten
hidden units ten times on nine points and prints ten errors; run again, it prints ten others. It then seeds NumPy's
generator, and TensorFlow's if that is the backend, and prints the ten numbers that a reader should get. detaudit grew
from that page. This page runs its program again, in the environments that it was written for and in current ones.

## Does it repeat?

A cell says how many different lists of ten numbers the processes printed, compared bit for bit.
"""
AGREE = """## Are they the numbers of 2017?
"""
THEN = """## Ten numbers then, ten numbers now
"""
WHY = """## Why

- **Theano repeats, then and now.** Keras 2 took every seed from NumPy's generator, and with its defaults (`openmp` is
  off) Theano computes a step on one thread. Between this machine and compiler and those of 2017, the numbers agree to
  about six digits. The error of a network that has learned its points (8e-08) has fewer matching digits than the error
  of one that has not.
- **TensorFlow 1 was not bitwise reproducible** on two cores: the recipe pins the generators, but the optimizer's
  updates race (`detaudit explain update-race`). With one thread, processes matched on TensorFlow 1.1 and differed with
  Keras 2.3.1 on TensorFlow 1.15; with ordered updates they matched on both.
- **In `tf.keras`, NumPy's seed alone changed nothing here**: up to Keras 2.9, TensorFlow's seed decides the weights.
  From Keras 2.10 on, and in Keras 3, Python's `random` decides them, which the recipe of 2017 does not seed: processes
  differ again.
- **`keras.utils.set_random_seed`**, added in Keras 2.7, seeds all of these generators, and the program repeated.
- Numbers of another era are not wrong: another generator draws other weights.
"""

if __name__ == "__main__":
    sys.exit(main())

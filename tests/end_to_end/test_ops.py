"""``detaudit ops``, as a user runs it: the race of a scatter is found, and shown by a script of its
own.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.end_to_end
DETAUDIT = Path(sys.executable).with_name("detaudit")


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """One sweep over a race, its neighbour that has none, a convolution, the clock, and two random
    operations.
    """
    folder = tmp_path_factory.mktemp("ops")
    names = (
        "ResourceScatterAdd",
        "TensorScatterAdd",
        "Conv2D",
        "MatMul",
        "Timestamp",
        "FractionalMaxPool",
        "RandomUniform",
    )
    done = subprocess.run(
        [
            DETAUDIT,
            "ops",
            "--no-cost",
            "--json",
            "ops.json",
            "--markdown",
            "ops.md",
            "--reproducer",
            "fault.py",
            *(word for name in names for word in ("--op", name)),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
    )
    return done, json.loads((folder / "ops.json").read_text()), folder


def of(report, name, dtype="float32"):
    return next(one for one in report["operations"] if (one["name"], one["dtype"]) == (name, dtype))


def test_the_race_is_found_and_its_neighbour_is_not_accused(swept):
    done, report, _ = swept
    race = of(report, "ResourceScatterAdd")
    assert (
        race["verdict"] == "needs-pin"
        and race["default"]["distinct"] > 1 < race["confirmed"]["distinct"]
    )
    assert race["deterministic"]["distinct"] == race["one_thread"]["distinct"] == 1
    assert race["differing_operation"]["name"] == "ResourceScatterAdd"
    assert of(report, "TensorScatterAdd")["default"] == {"replays": 20, "distinct": 1}
    assert of(report, "TensorScatterAdd")["verdict"] in ("reproducible", "varies")
    assert done.returncode == 0 and done.stdout.startswith("NEEDS A PIN"), done.stdout + done.stderr


def test_bits_that_change_and_what_is_refused_are_reported(swept):
    _, report, _ = swept
    assert (
        of(report, "Conv2D")["same_on_one_thread"] is False
        or of(report, "Conv2D")["same_without_onednn"] is False
    )
    assert of(report, "MatMul")["same_in_a_batch"] in (True, False)
    clock = of(report, "Timestamp")
    assert clock["verdict"] == "needs-pin" and "FailedPreconditionError" in clock["refusal_message"]
    assert [
        one["refused_here"] for one in report["refusals"] if "Timestamp" in one["operations"]
    ] == [["Timestamp"]]


def test_what_no_global_seed_reaches_needs_a_seed_argument(swept):
    done, report, _ = swept
    pool, uniform = of(report, "FractionalMaxPool"), of(report, "RandomUniform")
    assert (
        pool["verdict"] == "needs-pin"
        and pool["unseeded"]["replays"] == pool["unseeded"]["distinct"] == 4
    )
    assert pool["default"] == {"replays": 20, "distinct": 1}
    assert uniform["verdict"] != "needs-pin" and uniform["unseeded"] == {
        "replays": 4,
        "distinct": 1,
    }
    assert "FractionalMaxPool" in done.stdout.split("\n\n")[0]


def test_the_reproducer_shows_the_fault_without_us(swept):
    _, _, folder = swept
    text = (folder / "fault.py").read_text()
    assert "import detaudit" not in text and len(text.splitlines()) < 60
    done = subprocess.run(
        [sys.executable, "fault.py"], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1 and "distinct results in 50 calls" in done.stdout

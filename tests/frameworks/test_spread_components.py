"""`detaudit spread` without a script, on the real framework: by component of our classifier."""

import sys

import pytest
from detaudit.commands.spread.by_component import EVERY_SEED, ONE_BIT, PARALLEL
from detaudit.commands.spread.by_source import EVERYTHING, NOTHING
from detaudit.commands.spread.conclusion import conclude
from detaudit.commands.spread.options import Options
from detaudit.commands.spread.session import run

RUNS = 5


@pytest.mark.slow
def test_each_component_of_the_classifier_is_free_in_turn():
    options = Options(sys.executable, model="classifier", runs=RUNS, by_source=True, jobs=2)
    audit = run(options, lambda event: None)
    assert conclude(audit).exit_code == 0
    rows = {row.free: row for row in audit.by_source}
    assert rows[NOTHING].identical == RUNS and rows[NOTHING].churn == 0.0
    seeded = ("weight-init", "dropout", "augmentation", "batch-shuffle")
    for name in (*seeded, EVERY_SEED, ONE_BIT, EVERYTHING):
        assert rows[name].acts and rows[name].identical == 1, name
    # Where it acts first tells which component it is
    places = {name: (rows[name].divergence.stage, rows[name].divergence.step) for name in seeded}
    assert places == {
        "weight-init": ("init", None),
        "dropout": ("forward", 0),
        "augmentation": ("forward", 0),
        "batch-shuffle": ("data", 0),
    }
    flipped = rows[ONE_BIT].divergence
    assert flipped.stage == "init" and flipped.distance.ulps_max == 1
    assert PARALLEL in rows
    metrics = {metric.name: metric for metric in rows["weight-init"].metrics}
    assert metrics["accuracy"].spread > 0 and 0 < rows["weight-init"].churn < 1
    assert {f"accuracy of class {kind}" for kind in range(4)} <= set(metrics)

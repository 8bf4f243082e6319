"""Our own models with one component free at a time: which trials that takes, and what they show."""

from types import SimpleNamespace

import numpy as np
import pytest
from detaudit.commands.spread import by_component
from detaudit.commands.spread.by_source import EVERYTHING, NOTHING
from detaudit.commands.spread.summary import measured
from detaudit.core.outcome import Outcome
from detaudit.registry import base
from detaudit_probes.kit import training
from detaudit_probes.protocol import Measures

from tests.pure.handmade import Bench

RUNS = 6


def rows_of(bench, backend="tensorflow", model="classifier"):
    condition = base.base_condition(backend, "cpu", 1, model)
    return bench.drive(by_component.rows(condition, RUNS, measured))


def behaviour(trial):
    """A world in which initial weights, the order and threads change the results."""
    settings = trial.condition.settings
    weights = dict(settings.own)["weight-init"]
    racing = trial.draw if settings.intra_op_threads is None else 0
    flipped = 0 if trial.condition.orders.flipped is None else 1 + trial.condition.orders.flipped
    return float(weights + 100 * trial.condition.seed + 10_000 * racing + 1e6 * flipped)


def test_each_row_leaves_only_its_component_free(fresh_folder):
    rows = {row.free: row for row in rows_of(Bench(fresh_folder, behaviour))}
    assert list(rows) == [
        NOTHING,
        "weight-init",
        "dropout",
        "augmentation",
        "batch-shuffle",
        by_component.EVERY_SEED,
        by_component.PARALLEL,
        by_component.ONE_BIT,
        EVERYTHING,
    ]
    assert all(row.wanted == row.runs == RUNS for row in rows.values())
    alike = {name for name, row in rows.items() if row.identical == RUNS}
    assert alike == {NOTHING, "dropout", "augmentation"}
    assert {name for name, row in rows.items() if row.acts} == set(rows) - alike
    assert all(rows[name].identical == 1 for name in set(rows) - alike)


def test_on_torch_dropout_has_the_generator_that_shuffles(fresh_folder):
    names = [row.free for row in rows_of(Bench(fresh_folder, behaviour), "torch")]
    assert "dropout with batch-shuffle" in names and "dropout" not in names


def test_the_network_of_the_tutorial_has_no_dropout(fresh_folder):
    names = [row.free for row in rows_of(Bench(fresh_folder, behaviour), model="tutorial")]
    assert names[1:3] == ["weight-init", "batch-shuffle"]


def test_nothing_is_said_of_a_component_if_runs_differ_with_everything_pinned(fresh_folder):
    (row,) = rows_of(Bench(fresh_folder, lambda trial: float(trial.draw)))
    assert row.free == NOTHING and row.identical == 1


def test_a_row_whose_runs_fail_shows_nothing(fresh_folder):
    def behave(trial):
        flipped = trial.condition.orders.flipped
        return behaviour(trial) if flipped is None else Outcome("failed", "ValueError")

    rows = {row.free: row for row in rows_of(Bench(fresh_folder, behave))}
    assert rows[by_component.ONE_BIT].runs == 1 and not rows[by_component.ONE_BIT].acts


@pytest.mark.parametrize(
    ("place", "changed", "bits_changed"),
    [(0, (0, 0), 1), (5, (0, 5), 1), (6, (1, 0), 1), (8, (2, 1), 1), (9, (0, 0), 2)],
)
def test_one_bit_of_one_weight_is_flipped(place, changed, bits_changed):
    weights = [np.ones((2, 3), "float32"), np.zeros(1, "float32"), np.full(2, 0.5, "float32")]
    kept = []
    model = SimpleNamespace(get_weights=lambda: weights, set_weights=kept.extend)
    training.flip(SimpleNamespace(model=model), place)
    bits = [one.reshape(-1).view("uint32") for one in kept]
    differing = [
        (number, at)
        for number, (before, after) in enumerate(zip(weights, bits, strict=True))
        for at in np.flatnonzero(before.reshape(-1).view("uint32") ^ after)
    ]
    assert differing == [changed]
    tensor, at = changed
    assert bits[tensor][at] ^ weights[tensor].reshape(-1).view("uint32")[at] == bits_changed


def test_a_classifier_is_judged_by_class():
    likely = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.4, 0.6]])
    model = SimpleNamespace(predict=lambda x, verbose: likely)
    results, predicted = training.tested(
        SimpleNamespace(model=model, test=(None, np.array([0, 0, 0, 1])))
    )
    assert predicted == (0, 1, 0, 1)
    assert results["accuracy"] == 0.75 and results["accuracy of class 1"] == 1.0
    assert results["accuracy of class 0"] == pytest.approx(2 / 3)
    assert results["loss"] == pytest.approx(-np.log([0.9, 0.2, 0.7, 0.6]).mean())
    assert Measures(predicted=predicted).predicted == (0, 1, 0, 1)

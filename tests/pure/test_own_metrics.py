"""Which of the values that Keras reports are the training's own."""

import datetime
import time
from types import SimpleNamespace

import pytest
from detaudit_probes.hooks.keras.metrics import Metrics


class Plain:
    def __init__(self, name, metrics=()):
        self.name, self.metrics = name, list(metrics)


class Age(Plain):
    def result(self):
        return max(time.monotonic() for _ in range(1))


class Day(Plain):
    def update_state(self, truth, prediction):
        self.day = datetime.datetime.now()


def clocked(name):
    metric = Plain(name)
    metric._fn = lambda truth, prediction: time.time()
    return metric


MODEL = SimpleNamespace(
    metrics=[
        Plain("loss"),
        Plain("compile_metrics", [Plain("mae"), Age("age"), clocked("late")]),
        Day("mae_day"),
    ],
    metrics_names=["loss", "compile_metrics"],
)


@pytest.mark.parametrize(
    ("name", "judged"),
    [
        ("loss", True),
        ("val_loss", True),
        ("mae", True),
        ("val_mae", True),
        ("left_mae", True),
        ("generator_loss", True),
        ("age", False),
        ("val_age", False),
        ("left_age", False),
        ("late", False),
        ("mae_day", False),
        ("seconds", False),
        ("val_seconds", False),
        ("lr", False),
    ],
)
def test_a_metric_of_the_models_own_is_judged_where_it_is_no_time(name, judged):
    assert Metrics(MODEL).judges(name) is judged


def test_a_model_that_is_not_compiled_and_one_of_the_first_keras_have_names_too():
    assert Metrics(object()).judges("loss") and not Metrics(object()).judges("mae")
    first = SimpleNamespace(metrics=["acc"], metrics_names=["loss", "acc"])
    assert Metrics(first).judges("acc") and Metrics(first).results([0.5, 0.9]) == []


def test_results_are_reported_by_name_where_the_names_are_known():
    metrics = Metrics(MODEL)
    assert metrics.names == ["loss", "mae", "age", "late", "mae_day"]
    assert metrics.results({"b": 1, "a": 2}) == [("a", 2), ("b", 1)]
    assert metrics.results([1, 2, 3, 4, 5])[1] == ("mae", 2)
    assert metrics.results(0.5) == [("loss", 0.5)] and metrics.results([1, 2]) == []

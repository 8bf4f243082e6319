"""`detaudit spread` on the real framework."""

import json

import pytest

from tests.slow import slow


@slow
def test_seeds_make_results_vary_and_the_same_seeds_repeat_them(detaudit, tmp_path):
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed here")
    found = []
    for name in ("one", "other"):
        path = tmp_path / f"{name}.json"
        ran = detaudit("spread", "--runs", "4", "--seed", "5", "--json", str(path))
        assert ran.code == 0, ran.err
        assert "RESULTS VARY" in ran.out and "with different seeds" in ran.out
        found.append(json.loads(path.read_text()))
    for report in found:
        (metric,) = report["metrics"]
        assert report["seeds"] == [5, 6, 7, 8] and report["identical"] == 1
        assert metric["name"] == "loss" and metric["distinct"] == 4
    assert found[0]["metrics"] == found[1]["metrics"]


CLASSIFIER = """\
import sys

import keras
import numpy as np

keras.utils.set_random_seed(int(sys.argv[-1]))
rng = np.random.default_rng(0)
x = rng.normal(size=(120, 4)).astype("float32")
y = (x.sum(axis=1) + rng.normal(size=120) > 0).astype("int32")
model = keras.Sequential([keras.layers.Dense(8, activation="relu"), keras.layers.Dense(2)])
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
model.fit(x[:80], y[:80], epochs=1, verbose=0)
model.predict(x[80:] if "fixed" in sys.argv else rng.permutation(x)[: int(sys.argv[-1])], verbose=0)
"""


@slow
@pytest.mark.parametrize("examples", ["fixed", "others"])
def test_churn_of_a_script_needs_the_same_examples_in_every_run(detaudit, tmp_path, examples):
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed here")
    script, path = tmp_path / "train.py", tmp_path / "spread.json"
    script.write_text(CLASSIFIER)
    options = ("--runs", "3", "--seed-args", "{seed}", "--json", str(path))
    ran = detaudit("spread", *options, str(script), *(["fixed"] if examples == "fixed" else []))
    assert ran.code == 0, ran.err
    report = json.loads(path.read_text())
    if examples == "fixed":
        assert 0 < report["churn"] < 1 and "another class" in ran.out
    else:
        assert report["churn"] is None and "another class" not in ran.out

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

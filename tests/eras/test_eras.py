"""Environments of the past, made for the test and audited from this one.

``pytest --all`` makes the tutorial's own, Keras 2.0.3 on Theano 0.9; ``_DETAUDIT_ERAS=all`` all of
them, in the folder that ``_DETAUDIT_ERAS_FOLDER`` names.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from detaudit.core.condition import Trial
from detaudit.core.experiment import Asking
from detaudit.execution import interpreter
from detaudit.execution.host import Interpreter
from detaudit.execution.limits import Limits
from detaudit.execution.runner import Runner
from detaudit.execution.variables import environment_for_nests
from detaudit.registry import base
from detaudit_probes.backends import TF_KERAS
from detaudit_probes.kit import models

from tests.end_to_end.conftest import detaudit  # noqa: F401  (a fixture)
from tests.eras import environments
from tests.eras.tutorial import PROGRAM
from tests.frameworks.test_functions import followed
from tests.frameworks.test_observer import ask
from tests.slow import slow

pytestmark = pytest.mark.end_to_end

#: The verdict, and the advised pin, on what the layers and the shuffle of ``fit`` draw from.
DECIDED_BY = {
    "theano09": {
        "weight-init": "numpy-legacy",
        "batch-shuffle": "numpy-legacy",
        "dropout": "numpy-legacy",
    },
    "theano105": {
        "weight-init": "numpy-legacy",
        "batch-shuffle": "numpy-legacy",
        "dropout": "numpy-legacy",
    },
    "tf11": {
        "weight-init": "numpy-legacy",
        "batch-shuffle": "numpy-legacy",
        "update-race": "ordered-updates",
    },
    "tf115": {
        "weight-init": "numpy-legacy",
        "batch-shuffle": "numpy-legacy",
        "update-race": "ordered-updates",
    },
    "tf23": {
        "weight-init": "tensorflow-seed",
        "batch-shuffle": "tensorflow-seed",
        "dropout": "tensorflow-seed",
        "loader-workers": "generator-per-item",
    },
    "tf212": {
        "weight-init": "keras-seed",
        "batch-shuffle": "keras-seed",
        "python-random": "python-random",
        "loader-workers": "generator-per-item",
    },
    "tf215": {
        "weight-init": "keras-seed",
        "batch-shuffle": "keras-seed",
        "python-random": "python-random",
        "loader-workers": "generator-per-item",
    },
    "tfkeras221": {
        "weight-init": "keras-seed",
        "batch-shuffle": "keras-seed",
        "python-random": "python-random",
        "loader-workers": "generator-per-item",
    },
}


#: What parts the tutorial's program there, with the tutorial's own seeds; None where it repeats.
PARTS = {
    "theano09": None,
    "theano105": None,
    "tf11": "update-race",
    "tf115": "update-race",
    "tf23": None,
    "tf212": "python-random",
    "tf215": "python-random",
    "tfkeras221": "python-random",
}
ALL = os.environ.get("_DETAUDIT_ERAS") == "all"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    given = os.environ.get("_DETAUDIT_ERAS_FOLDER")
    return Path(given) if given else tmp_path_factory.mktemp("eras")


def built(name: str, folder: Path) -> str:
    try:
        return environments.build(environments.named(name), folder)
    except environments.CannotBuild as reason:
        pytest.skip(str(reason))


@slow
@pytest.mark.parametrize("name", DECIDED_BY if ALL else ["theano09"])
def test_what_decides_there(detaudit, folder, name):  # noqa: F811
    environment, old = environments.named(name), built(name, folder)
    expected = DECIDED_BY[name]
    only = [word for one in expected for word in ("--only", one)]
    found = detaudit(
        "scan",
        "--backend",
        environment.backend,
        "--python",
        old,
        *only,
        "--trials",
        "1",
        "--timeout",
        "600",
        timeout=1800,
        **environment.variables,
    )
    assert found.code == 0, found.err
    verdicts = {one["source"]: (one["verdict"], one["pin"]) for one in found.report["verdicts"]}
    assert verdicts == {source: ("needs-pin", pin) for source, pin in expected.items()}
    assert found.report["environment"]["python"].startswith(environment.python)
    assert sys.version.split()[0] not in found.out
    for package in environment.title.split(", "):
        title, _, version = package.rpartition(" ")
        assert package.startswith("tf.keras") or f"{title} {version}" in found.out.replace(
            "\n", " "
        ), found.out


@pytest.mark.skipif(not ALL, reason="_DETAUDIT_ERAS=all runs it: a quick scan")
@pytest.mark.parametrize("name", ["tf11", "tf115"])
def test_a_quick_scan_names_no_recipe_that_a_long_training_refutes(detaudit, folder, name):  # noqa: F811
    """The seeds alone match in most pairs of short trainings there; the updates race all the
    same.
    """
    ran = detaudit("scan", "--quick", "--python", built(name, folder), timeout=1800)
    assert ran.code == 0, ran.err
    recipe = ran.report["recipe"]
    assert recipe["rung"] in ("ordered-updates", "one-thread") and recipe["verified"] is True
    assert recipe["runs"] == 6 and {count["model"] for count in recipe["counts"]} == set(
        models.names("tensorflow1")
    )
    refuted = [
        rung for rung in ran.report["ladder"] if rung["id"] in ("tutorial-2017", "hash-seed")
    ]
    assert [rung["works"] for rung in refuted] == [False, False]
    assert "Not tried" in ran.out and "update-race" in ran.report["untried_sources"]


@pytest.mark.skipif(
    not ALL, reason="_DETAUDIT_ERAS=all runs it: each model is trained twice in each environment"
)
@pytest.mark.parametrize("name", PARTS)
def test_a_recorded_training_ends_on_the_bits_of_an_unrecorded_one(
    folder, name, tmp_path, monkeypatch
):
    old = built(name, folder)
    for variable, value in environments.named(name).variables.items():
        monkeypatch.setenv(variable, value)
    backend = interpreter.adapter(environments.named(name).backend, interpreter.ask(old).facts)
    for part in ("keras", "theano", "tmp"):
        (tmp_path / "private" / part).mkdir(parents=True)
    inherited = environment_for_nests(
        os.environ, base.controlled_variables(), str(tmp_path / "private")
    )
    runner = Runner(
        Interpreter(old, backend),
        Limits(2, 600.0),
        tmp_path / "control",
        {**inherited, "KERAS_BACKEND": base.keras_backend(backend)},
    )
    try:
        condition = base.base_condition(backend, "cpu", 1)
        runner.fingerprint = runner.greet(condition).fingerprints[0]
        trials = {
            (model, record): Trial(replace(condition, model=model).with_orders(record=record), 0)
            for model in models.names(backend)
            for record in (True, False)
        }
        asking = Asking(ask(list(trials.values())))
        runner.run([asking])
    finally:
        runner.close()
    for model in models.names(backend):
        recorded, unrecorded = (
            asking.finding[trials[model, True]],
            asking.finding[trials[model, False]],
        )
        assert recorded.outcome.completed and unrecorded.outcome.completed, (
            recorded.outcome,
            unrecorded.outcome,
        )
        assert (
            recorded.trace.digests["final"]
            == unrecorded.trace.digests["final"]
            != recorded.trace.digests["init"]
        )
        observed = {stage for table in recorded.trace.tables for stage, _ in table.columns}
        assert observed >= {"rng", "data", "init", "loss", "update", "metric"}
        assert ("gradient" in observed) == (backend in TF_KERAS)


@pytest.mark.skipif(not ALL, reason="_DETAUDIT_ERAS=all runs it")
@pytest.mark.parametrize("name", ["tf23", "tf212", "tf215"])
def test_the_steps_of_compiled_functions_are_observed_there(folder, name, tmp_path):
    followed(
        "from tensorflow import keras",
        tmp_path,
        python=built(name, folder),
        backend=interpreter.adapter("tensorflow", interpreter.ask(built(name, folder)).facts),
    )


@pytest.mark.skipif(
    not ALL, reason="_DETAUDIT_ERAS=all runs it: some forty runs of a script in each environment"
)
@pytest.mark.parametrize("name", PARTS)
def test_the_tutorials_program_is_followed_there(detaudit, folder, name, tmp_path):  # noqa: F811
    environment, old = environments.named(name), built(name, folder)
    found = detaudit(
        "run",
        "--json",
        str(tmp_path / "report.json"),
        "--backend",
        environment.backend,
        "--python",
        old,
        "--no-cost",
        str(PROGRAM),
        "numpy",
        "backend",
        timeout=3600,
        THEANO_FLAGS=f"base_compiledir={folder}/compiled-{name}",
        **environment.variables,
    )
    assert found.report["reproducible"] is (PARTS[name] is None), found.out
    causes = [one["source"] for one in found.report["causes"]]
    assert causes == ([] if PARTS[name] is None else [PARTS[name]])
    assert max(one["steps"] for one in found.report["trials"]) == 1000, (
        "ten networks, a hundred steps each"
    )
    if PARTS[name] is not None:
        assert found.report["fix"]["verified"] is True

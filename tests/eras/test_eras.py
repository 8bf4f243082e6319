"""Environments of the past, made for the test and audited from this one.

``pytest`` makes the tutorial's own, Keras 2.0.3 on Theano 0.9; ``DETAUDIT_ERAS=all`` all of them, in the folder that
``DETAUDIT_ERAS_FOLDER`` names.
"""
import os
import sys
from pathlib import Path

import pytest

from tests.end_to_end.conftest import detaudit  # noqa: F401  (a fixture)
from tests.eras import environments

pytestmark = pytest.mark.end_to_end

#: The verdict, and the advised pin, on what the layers and the shuffle of ``fit`` draw from.
DECIDED_BY = {
    "theano09": {"weight-init": "numpy-legacy", "batch-shuffle": "numpy-legacy", "dropout": "numpy-legacy"},
    "theano105": {"weight-init": "numpy-legacy", "batch-shuffle": "numpy-legacy", "dropout": "numpy-legacy"},
    "tf11": {"weight-init": "numpy-legacy", "batch-shuffle": "numpy-legacy", "update-race": "ordered-updates"},
    "tf115": {"weight-init": "numpy-legacy", "batch-shuffle": "numpy-legacy", "update-race": "ordered-updates"},
    "tf23": {"weight-init": "tensorflow-seed", "batch-shuffle": "tensorflow-seed", "dropout": "tensorflow-seed"},
    "tf212": {"weight-init": "keras-seed", "batch-shuffle": "keras-seed", "python-random": "python-random"},
    "tf215": {"weight-init": "keras-seed", "batch-shuffle": "keras-seed", "python-random": "python-random"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    given = os.environ.get("DETAUDIT_ERAS_FOLDER")
    return Path(given) if given else tmp_path_factory.mktemp("eras")


@pytest.mark.parametrize("name", DECIDED_BY if os.environ.get("DETAUDIT_ERAS") == "all" else ["theano09"])
def test_what_decides_there(detaudit, folder, name):  # noqa: F811
    environment = environments.named(name)
    try:
        old = environments.build(environment, folder)
    except environments.CannotBuild as reason:
        pytest.skip(str(reason))
    expected = DECIDED_BY[name]
    only = [word for one in expected for word in ("--only", one)]
    found = detaudit("scan", "--backend", environment.backend, "--python", old, *only, "--trials", "1",
                     "--timeout", "600", timeout=1800)
    assert found.code == 0, found.err
    verdicts = {one["source"]: (one["verdict"], one["pin"]) for one in found.report["verdicts"]}
    assert verdicts == {source: ("needs-pin", pin) for source, pin in expected.items()}
    assert found.report["environment"]["python"].startswith(environment.python)
    assert sys.version.split()[0] not in found.out
    for package in environment.title.split(", "):
        title, _, version = package.rpartition(" ")
        assert package.startswith("tf.keras") or f"{title} {version}" in found.out.replace("\n", " "), found.out

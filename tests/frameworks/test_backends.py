"""Keras on JAX and on Torch: trainings are observed whole, unchanged by it, and each generator
decides what it should.

Tried where the backend is installed beside the tests, or in the interpreter that
``_DETAUDIT_JAX_PYTHON`` or ``_DETAUDIT_TORCH_PYTHON`` names.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest
from detaudit.commands.scan.experiments.matrix import matrix
from detaudit.core.condition import Condition, Trial
from detaudit.core.divergence import Match, compare
from detaudit.core.experiment import Asking
from detaudit.execution.host import Interpreter
from detaudit.execution.limits import Limits
from detaudit.execution.program import process, program
from detaudit.execution.runner import Runner
from detaudit.execution.variables import environment_for_nests
from detaudit.registry import base
from detaudit_probes.kit.models import NAMES as MODELS

from tests.frameworks.test_observer import ask
from tests.interpreters import with_backend
from tests.slow import slow

pytestmark = pytest.mark.framework


@pytest.fixture(scope="module", params=["jax", "torch"])
def on(request, tmp_path_factory) -> Iterator[tuple[str, Runner, Condition]]:
    """A backend, a runner over an interpreter that has it, and its base condition."""
    backend = request.param
    python = with_backend(backend)
    folder = tmp_path_factory.mktemp(backend)
    for name in ("keras", "theano", "tmp"):
        (folder / "private" / name).mkdir(parents=True)
    environment = environment_for_nests(
        os.environ, base.controlled_variables(), str(folder / "private")
    )
    runner = Runner(
        Interpreter(python, backend),
        Limits(2, 300.0),
        folder / "control",
        {**environment, "KERAS_BACKEND": backend},
    )
    condition = base.base_condition(backend, "cpu", 1)
    runner.fingerprint = runner.greet(condition).fingerprints[0]
    yield backend, runner, condition
    runner.close()


@slow
def test_a_recorded_training_ends_on_the_bits_of_an_unrecorded_one_and_repeats(on):
    backend, runner, condition = on
    trials = {
        (model, record): Trial(
            replace(condition, model=model).with_orders(record=record), int(record)
        )
        for model in MODELS
        for record in (True, False)
    }
    again = {model: Trial(trials[model, True].condition, 0) for model in MODELS}
    asking = Asking(ask([*trials.values(), *again.values()]))
    runner.run([asking])
    for model in MODELS:
        recorded, unrecorded, repeated = (
            asking.finding[one] for one in (trials[model, True], trials[model, False], again[model])
        )
        assert recorded.outcome.completed and unrecorded.outcome.completed, (
            recorded.outcome,
            unrecorded.outcome,
        )
        assert recorded.trace.facts["framework"]["keras_backend"] == backend
        assert (
            recorded.trace.digests["final"]
            == unrecorded.trace.digests["final"]
            != recorded.trace.digests["init"]
        )
        assert isinstance(compare(recorded.trace, repeated.trace), Match)
        observed = {stage for table in recorded.trace.tables for stage, _ in table.columns}
        assert observed == {
            "rng",
            "data",
            "init",
            "forward",
            "loss",
            "gradient",
            "update",
            "metric",
        }


SCRIPT = """
import hashlib
import keras
import numpy as np
keras.utils.set_random_seed(1)
x = np.arange(24, dtype="float32").reshape(12, 2) / 24
y = x.sum(1, keepdims=True)
def make():
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, "relu"), keras.layers.Dropout(0.5),
                             keras.layers.Dense(1)])
def show(what, model):
    print(what, hashlib.md5(b"".join(w.tobytes() for w in model.get_weights())).hexdigest())
model = make()
model.compile("adam", "mse")
model.fit(x, y, batch_size=5, epochs=2, validation_data=(x, y), verbose=0)
show("fit", model)
for _ in range(2):
    model.train_on_batch(x, y)
print(model.evaluate(x, y, verbose=0), model.predict(x, verbose=0).sum())
show("train_on_batch", model)
optimizer = keras.optimizers.SGD(0.1)
optimizer.build(model.trainable_variables)
for _ in range(3):
    optimizer.apply([keras.ops.ones_like(one.value) * 0.1 for one in model.trainable_variables],
                    model.trainable_variables)
show("loop", model)
"""
STEPS = 6 + 2 + 3


def test_a_recorded_script_prints_and_ends_on_what_it_does_without_us(on, tmp_path):
    backend, runner, _ = on
    (tmp_path / "train.py").write_text(SCRIPT)
    found = program.find("train.py", False, (), tmp_path)
    runs = Runner(
        replace(runner.interpreter, fork=False),
        Limits(2, 300.0),
        tmp_path / "control",
        {**os.environ, "KERAS_BACKEND": backend},
        keep_bytes=False,
        open_host=lambda *given: process.Process(found, *given),
    )
    trials = [
        Trial(Condition(backend, "auto", "train.py", 1).with_orders(record=record), 0)
        for record in (True, False)
    ]
    asking = Asking(ask(trials))
    runs.run([asking])
    runs.close()
    recorded, unrecorded = (asking.finding[trial] for trial in trials)
    assert recorded.outcome.completed and unrecorded.outcome.completed, (
        recorded.outcome,
        unrecorded.outcome,
    )
    assert len({(one.trace.folder / "stdout").read_text() for one in (recorded, unrecorded)}) == 1
    assert recorded.trace.digests["final"] == unrecorded.trace.digests["final"]
    assert recorded.trace.measures.steps == STEPS and recorded.trace.measures.backend == backend
    tables = [table for table in recorded.trace.tables if table.kind == "steps"]
    assert sum(len(table.step) for table in tables) == STEPS
    observed = {stage for table in tables for stage, _ in table.columns}
    assert observed >= {"data", "loss", "gradient", "update"}


#: What decides each component; all that was tried besides does not.
DECIDES = {
    "jax": {
        "weight-init": {"python-random"},
        "dropout": {"python-random"},
        "batch-shuffle": {"numpy-legacy"},
    },
    "torch": {
        "weight-init": {"python-random"},
        "dropout": {"torch-seed"},
        "batch-shuffle": {"torch-seed"},
    },
}


@slow
def test_which_generator_decides_what(on):
    backend, runner, condition = on
    asking = Asking(
        matrix(
            condition, base.known_pins(backend), base.known_sources(backend), [*DECIDES[backend]]
        )
    )
    runner.run([asking])
    decided: dict[str, set[str]] = {}
    for cell in asking.finding:
        assert cell.decides is not None, cell.reason
        decided.setdefault(cell.component, set()).update([cell.generator] if cell.decides else [])
    assert decided == DECIDES[backend]
    assert len(asking.finding) == len(DECIDES[backend]) * (4 if backend == "torch" else 3)


@slow
def test_a_step_that_jax_compiles_as_a_whole_ends_on_other_bits(tmp_path):
    python = with_backend("jax")
    report = tmp_path / "scan.json"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "detaudit",
            "scan",
            "--backend",
            "jax",
            "--python",
            python,
            "--only",
            "xla",
            "--trials",
            "1",
            "--json",
            str(report),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (verdict,) = json.loads(report.read_text())["verdicts"]
    assert verdict["verdict"] == "varies"
    assert (
        "jit_compile=False ≠ jit_compile=True" in done.stdout and "not exercised" not in done.stdout
    )

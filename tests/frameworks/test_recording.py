"""A recorded script behaves as without us, however unusual its input, and every step of it is
recorded.
"""

import os
import subprocess
import sys

import pytest
from detaudit.core.condition import Condition, Trial
from detaudit.core.experiment import Asking
from detaudit.execution.host import Interpreter
from detaudit.execution.limits import Limits
from detaudit.execution.program import process, program
from detaudit.execution.runner import Runner

from tests.frameworks.test_observer import ask

pytestmark = pytest.mark.framework

#: (what it is, the expected number of recorded steps); each part prints its final values.
SCRIPT = """
import collections, hashlib, io, os
import keras, numpy as np, tensorflow as tf
os.makedirs("out", exist_ok=True)
keras.utils.set_random_seed(1)
x = np.arange(24, dtype="float32").reshape(12, 2) / 24
y = x.sum(1, keepdims=True)
class Odd:
    def __str__(self):
        raise RuntimeError("no words")
def make():
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, "relu"), keras.layers.Dense(1)])
def show(what, model):
    print(what, hashlib.md5(b"".join(w.tobytes() for w in model.get_weights())).hexdigest())
def fit(what, *arguments, **named):
    model = make()
    model.compile("adam", "mse", steps_per_execution=named.pop("steps_per_execution", 1))
    model.fit(*arguments, **({} if len(arguments) > 4 else {"verbose": 0}), **named)
    show(what, model)
fit("arrays", x, y, 4, 2, 0, [keras.callbacks.TerminateOnNaN()])
fit("validation", x, y, batch_size=4, validation_data=(x, y))
fit("executions", x, y, batch_size=3, steps_per_execution=2)
def generate():
    for start in (0, 6):
        yield x[start:start + 6], y[start:start + 6], None
fit("generator", generate(), steps_per_epoch=2)
Pair = collections.namedtuple("Pair", "x y")
whole = tf.data.Dataset.from_tensor_slices((x, y)).batch(4)
fit("dataset", whole.map(map_func=lambda a, b: (a, b)).map(lambda a, b: (a, b), tf.data.AUTOTUNE))
for window in tf.data.Dataset.range(4).window(2):
    print(list(window.as_numpy_iterator()))
for text in tf.data.Dataset.from_tensor_slices(["a", "b"]):
    print(text.numpy())
for ragged in tf.data.Dataset.from_tensors(tf.ragged.constant([[1], [2, 3]])):
    print(ragged.to_list())
print([pair.x.shape for pair in tf.data.Dataset.from_tensors(Pair(x, y))])
model = make()
model.compile("sgd", "mse")
for _ in range(2):
    model.train_on_batch(x, y, sample_weight=np.ones(12))
print(model.evaluate(x, y, verbose=0), model.predict(x, verbose=0).sum())
show("train_on_batch", model)
model, optimizer = make(), keras.optimizers.Adam()
def step(a, b):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(a) - b) ** 2)
    weights = model.trainable_variables
    optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
compiled = tf.function(step)
step(x[:2], y[:2])
for a, b in whole:
    compiled(a, b)
show("loop", model)
model, optimizer = make(), keras.optimizers.Adam()
@tf.function
def named_step(model, batch, scale=None):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(batch["x"]) - batch["y"]) ** 2) * scale
    optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
for row in range(3):
    named_step(model, {"x": x[row:row + 1], "y": y[row:row + 1]}, scale=tf.constant(1.0))
show("slices", model)
np.save("one.npy", x), np.savez("two.npz", x, b=y), np.save(io.BytesIO(), x), np.save("objects.npy", {"a": Odd()})
model = keras.Sequential([keras.layers.Dense(3, name="built_late"), keras.layers.Dense(1)])
model.compile("adam", "mse")
model.fit(x, y, verbose=0)
model.save("out/whole.keras"), keras.saving.save_model(model, "again.keras")
model.save_weights("out/part.weights.h5")
print(np.random.default_rng(seed=3).random(), (keras.Input((2,)), 1)[1])
"""
STEPS = 6 + 3 + 2 + 2 + 3 + 2 + 4 + 3 + 1


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed here")
    path = tmp_path_factory.mktemp("script") / "train.py"
    path.write_text(SCRIPT)
    return path


def run(script, control, python=sys.executable, backend="tensorflow", **options):
    found = program.find(script.name, False, (), script.parent)
    runner = Runner(
        Interpreter(python, backend, fork=False),
        Limits(2),
        control,
        dict(os.environ),
        keep_bytes=False,
        open_host=lambda *given: process.Process(found, *given),
    )
    trials = [
        Trial(
            Condition("tensorflow", "auto", "train.py", 1).with_orders(**options, record=record),
            0,
        )
        for record in (True, False)
    ]
    asking = Asking(ask(trials))
    runner.run([asking])
    runner.close()
    done = [asking.finding[trial] for trial in trials]
    assert all(one.outcome.completed for one in done), [one.outcome for one in done]
    return done


def test_a_recorded_script_prints_and_ends_on_what_it_does_without_us(script, tmp_path):
    plain = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True, cwd=script.parent
    ).stdout
    recorded, unrecorded = run(script, tmp_path / "control")
    for done in (recorded, unrecorded):
        assert (done.trace.folder / "stdout").read_text() == plain
    assert recorded.trace.digests["final"] == unrecorded.trace.digests["final"]
    assert recorded.trace.measures.steps == STEPS and recorded.trace.measures.moved
    observed = {stage for table in recorded.trace.tables for stage, _ in table.columns}
    assert {"rng", "data", "init", "loss", "gradient", "update", "metric", "forward"} <= observed
    (once,) = [table for table in recorded.trace.tables if table.kind == "events"]
    # Built inside of ``fit``, in a function that is being traced: it has its first values all the
    # same.
    assert any(stage == "init" and "built_late/kernel" in name for stage, name in once.columns)
    # What a compiled loop over slices of an array is called with are its batches.
    given = {
        name for table in recorded.trace.tables for stage, name in table.columns if stage == "data"
    }
    assert {"argument.0.x", "argument.0.y", "argument.1"} <= given and "batch.0" in given
    saved = {
        name: value for name, value in recorded.trace.digests.items() if name.startswith("saved ")
    }
    assert set(saved) == {
        f"saved {name}"
        for name in ("out/whole.keras", "out/part.weights.h5", "again.keras", "one.npy", "two.npz")
    }
    assert saved["saved one.npy"] != saved["saved two.npz"]
    assert (
        saved["saved out/whole.keras"]
        == saved["saved again.keras"]
        != saved["saved out/part.weights.h5"]
    )
    assert saved == {
        name: value for name, value in unrecorded.trace.digests.items() if name.startswith("saved ")
    }
    assert recorded.trace.observations() > 20 * unrecorded.trace.observations() / 10 > 0


def test_recorded_and_unrecorded_runs_end_at_the_step_that_was_asked_for(script, tmp_path):
    recorded, unrecorded = run(script, tmp_path / "control", stop_steps=5)
    assert recorded.trace.measures.stopped == unrecorded.trace.measures.stopped == 5
    assert recorded.trace.digests["final"] == unrecorded.trace.digests["final"]

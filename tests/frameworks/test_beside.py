"""Observations beside a training are reported as such; the training, and the saved arrays, are
judged.
"""

import os
import sys

import pytest
from detaudit.commands.run.origin import origin
from detaudit.commands.run.outputs import outputs, quantity
from detaudit.commands.run.repeat import compare_ends, compare_runs
from detaudit.core.condition import Condition, Trial
from detaudit.core.divergence import Divergence, Match
from detaudit.core.experiment import Asking
from detaudit.execution.host import Interpreter
from detaudit.execution.limits import Limits
from detaudit.execution.program import process, program
from detaudit.execution.runner import Runner

from tests.wire.conftest import ask

pytestmark = pytest.mark.framework

BEGIN = """
import os, random, sys, time, uuid
import keras, numpy as np, tensorflow as tf
keras.utils.set_random_seed(1)
x = np.arange(24, dtype="float32").reshape(12, 2) / 24
y = x.sum(1, keepdims=True)
def make(name="model"):
    layers = [keras.Input((2,)), keras.layers.Dense(3, "relu", name=f"dense-{name}"), keras.layers.Dense(1)]
    return keras.Sequential(layers, name=name)
"""

#: Everything that differs here is beside the training: times, names, batches that are looked at,
#: generators at the end.
HARMLESS = (
    BEGIN
    + """
class Timed(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        self.began = time.perf_counter()
    def on_train_batch_end(self, batch, logs=None):
        logs["pace"] = time.perf_counter() - self.began
    def on_epoch_end(self, epoch, logs=None):
        logs["val_pace"] = time.perf_counter()
@keras.saving.register_keras_serializable()
class Age(keras.metrics.Metric):
    def update_state(self, y_true, y_pred, sample_weight=None):
        pass
    def result(self):
        return tf.cast(tf.timestamp() % 1000.0, "float32")
word = ["brave", "calm", "eager", "jolly"][int.from_bytes(os.urandom(1), "little") % 4]
model = make(f"{word}-{os.getpid()}-{uuid.uuid4().hex[:4]}")
model.compile("adam", "mse", metrics=["mae", Age()])
model.fit(x, y, epochs=2, verbose=0, validation_data=(x, y), callbacks=[Timed()])
model.evaluate(x, y, verbose=0)
np.savez(f"weights-{os.getpid()}.npz", *model.get_weights())
everything = tf.data.Dataset.from_tensor_slices((x, y))
private = int.from_bytes(os.urandom(4), "little")
for images, labels in everything.shuffle(12, seed=private).batch(4).take(2):
    print(images.numpy().sum(), model(images).numpy().sum())
optimizer, other = keras.optimizers.SGD(0.1), make()
for images, labels in everything.batch(4):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((other(images) - labels) ** 2)
    optimizer.apply(tape.gradient(loss, other.trainable_variables), other.trainable_variables)
@tf.function
def step(images, labels):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((other(images) - labels) ** 2)
    optimizer.apply(tape.gradient(loss, other.trainable_variables), other.trainable_variables)
for images, labels in everything.batch(4):
    step(images, labels)
random.seed(private)
"""
)


@pytest.fixture
def run(tmp_path):
    """Two recorded runs of a text."""
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed here")

    def runs(text):
        folder = tmp_path / "work"
        folder.mkdir()
        (folder / "train.py").write_text(text)
        found = program.find("train.py", False, (), folder)
        runner = Runner(
            Interpreter(sys.executable, "tensorflow", fork=False),
            Limits(2),
            tmp_path / "control",
            dict(os.environ),
            keep_bytes=False,
            open_host=lambda *given: process.Process(found, *given),
        )
        condition = Condition("tensorflow", "auto", "train.py", 1)
        asking = Asking(ask([Trial(condition, number) for number in range(2)]))
        runner.run([asking])
        runner.close()
        assert all(one.outcome.completed for one in asking.finding), [
            one.outcome for one in asking.finding
        ]
        return asking.finding

    return runs


def test_what_differs_beside_an_equal_training_is_reported_and_not_judged(run):
    done = run(HARMLESS)
    assert isinstance(compare_runs(*done), Match), compare_runs(*done)
    assert origin(done) == "" and quantity(done) is None
    differing = {(one.kind, one.name) for one in outputs(done) if not one.matches}
    assert differing >= {
        ("metric", "pace"),
        ("metric", "val_pace"),
        ("metric", "age"),
        ("metric", "evaluate age"),
        ("data", "batches that no step used"),
        ("generator", "Python's random module"),
        ("printed", "standard output"),
    }
    assert {one.matches for one in outputs(done) if one.kind == "saved"} == {True}
    assert any(one.kind == "name" for one in outputs(done))
    loops = [table.columns for table in done[0].trace.tables if table.name.startswith("loop")]
    assert (
        all({("data", "batch.0"), ("data", "batch.1")} <= set(columns) for columns in loops)
        and loops
    )


def test_arrays_that_are_saved_decide_where_the_training_is_equal(run):
    done = run(
        BEGIN
        + """
import h5py
model = make()
model.compile("adam", "mse")
model.fit(x, y, verbose=0)
with h5py.File("seeded.h5", "w") as file:
    file["layer/weights"] = model.get_weights()[0]
own = np.random.default_rng().normal(size=3)
h5py.File("features.h5", "w")["own"] = own  # nobody closes it
np.savez("model.npz", own)
"""
    )
    assert (
        compare_runs(*done)
        == compare_ends(*done)
        == Divergence("output", None, "saved model.npz", "bits")
    )
    assert {one.name: one.matches for one in outputs(done) if one.kind == "saved"} == {
        "seeded.h5": True,
        "features.h5": False,
        "model.npz": False,
    }


def test_a_training_before_another_program_is_started_is_not_forgotten(run):
    """The next program trains nothing by itself."""
    done = run(
        """
import sys
if "again" in sys.argv:
    sys.exit()
"""
        + BEGIN
        + """
keras.utils.set_random_seed(int.from_bytes(os.urandom(2), "little"))
model = make()
model.compile("adam", "mse", metrics=["mae"])
model.fit(x, y, verbose=0)
model.evaluate(x, y, verbose=0)
os.execv(sys.executable, [sys.executable, *sys.argv, "again"])
"""
    )
    compared = compare_runs(*done)
    assert isinstance(compared, Divergence) and compared.stage == "init"
    assert isinstance(compare_ends(*done), Divergence)
    assert [one.trace.measures.steps for one in done] == [1, 1] and done[0].trace.measures.moved
    found = quantity(done)
    assert found is not None and found.name == "mae" and found.first != found.second

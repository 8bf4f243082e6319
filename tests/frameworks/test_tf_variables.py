"""Plain TensorFlow: a script that takes gradients and updates variables itself, without an
optimizer of Keras. Its steps are observed, and nothing is added to what is computed.
"""

import pytest
from detaudit.commands.run.judging import compare_last, compare_trainings
from detaudit.core import pinpoint
from detaudit.core.condition import Condition
from detaudit.core.divergence import Divergence, Match

from tests.frameworks.replaying import runs_of
from tests.interpreters import with_backend
from tests.slow import slow, slow_but_for

pytestmark = pytest.mark.framework

SCRIPT = """
import os, sys
import tensorflow as tf

WAY, FAULT = sys.argv[1:]
tf.random.set_seed(1)
noise = int.from_bytes(os.urandom(4), "little") * 1e-12
x = tf.reshape(tf.linspace(-1.0, 1.0, 256), (64, 4))
y = tf.reduce_sum(x, axis=1, keepdims=True)
w, b = tf.Variable(tf.random.normal((4, 1)), name="w"), tf.Variable(tf.zeros((1,)), name="b")
seen = tf.Variable(0, name="seen")
average = tf.Variable(w, name="average")

def loss_of(x, y):
    return tf.reduce_mean((x @ w + b - y) ** 2)

def update(x, y, extra=0.0):
    with tf.GradientTape() as tape:
        loss = loss_of(x, y)
    for variable, gradient in zip((w, b), tape.gradient(loss, (w, b))):
        variable.assign_sub(0.1 * gradient + extra)
    seen.assign_add(1)
    return loss

class Model(tf.Module):
    def __init__(self):
        self.w, self.b = tf.Variable(w, name="w"), tf.Variable(b, name="b")

    @tf.function
    def step(self, x, y, extra):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((x @ self.w + self.b - y) ** 2)
        for variable, gradient in zip(self.variables, tape.gradient(loss, self.variables)):
            variable.assign_sub(0.1 * gradient + extra)
        return loss

@tf.function
def many(x, y, extra):
    loss = 0.0
    for _ in tf.range(2):
        loss = update(x, y, extra)
    return loss

def scattered(x, y, extra):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((x @ tf.gather(w, [0, 1, 2, 3]) + b - y) ** 2)
    slices, rest = tape.gradient(loss, (w, b))
    w.scatter_sub(tf.IndexedSlices(0.1 * slices.values + extra, slices.indices))
    b.assign_sub(0.1 * rest)
    return loss

optimizer = tf.keras.optimizers.SGD(0.1) if WAY == "keras" else None

def clipped(x, y, extra):
    loss = update(x, y, extra)
    for variable in (w, b):
        variable.assign(tf.clip_by_value(variable, -5.0, 5.0))
    return loss

@tf.function
def gradients_of(x, y):
    with tf.GradientTape() as tape:
        loss = loss_of(x, y)
    return loss, tape.gradient(loss, (w, b))

def apart(x, y, extra):
    loss, (of_w, of_b) = gradients_of(x, y)
    w.assign_sub(0.1 * of_w + extra)
    b.assign_sub(0.1 * of_b)
    return loss

if WAY == "of layers":
    layer = tf.keras.layers.Dense(1, kernel_initializer="zeros", name="dense")
    layer.build((None, 4))

def of_layers(x, y, extra):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((layer(x) - y) ** 2)
    for variable, gradient in zip(layer.trainable_variables, tape.gradient(loss, layer.trainable_variables)):
        variable.assign_sub(0.1 * gradient + extra)
    return loss

def saliency(x, y, extra):
    with tf.GradientTape() as tape:
        loss = loss_of(x, y)
    gradient = tape.gradient(loss, w)
    seen.assign_add(1)
    return tf.reduce_sum(gradient)

def with_keras(x, y, extra):
    with tf.GradientTape() as tape:
        loss = loss_of(x, y)
    optimizer.apply_gradients(zip(tape.gradient(loss, (w, b)), (w, b)))
    average.assign(0.9 * average + 0.1 * w + extra)
    return loss

def counted(x, y, extra):
    seen.assign_add(1)
    average.assign(0.9 * average + extra)
    return loss_of(x, y)

model = Model()
step = {"eager": update, "function": tf.function(update), "module": model.step, "loop": many,
        "scattered": scattered, "clipped": clipped, "apart": apart, "of layers": of_layers,
        "saliency": saliency, "keras": with_keras, "counted": counted}[WAY]
for number in range(8):
    part = slice(8 * number, 8 * number + 8)
    loss = step(x[part], y[part], tf.constant(noise if FAULT and number == 5 else 0.0, tf.float32))
print("%.1f" % float(loss))
"""
WAYS = ("eager", "function", "module", "loop", "scattered", "clipped", "apart", "of layers")


@pytest.fixture
def run(tmp_path):
    def several(way, fault="", number=2, **options):
        folder = tmp_path / f"{way}{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        script = folder / "train.py"
        script.write_text(SCRIPT)
        condition = Condition("tensorflow", "auto", script.name, 1).with_orders(**options)
        python = with_backend("tensorflow")
        return runs_of(script, (way, fault), python, condition, number, folder / "runs", {})

    return several


@pytest.mark.parametrize(
    "way", [pytest.param(way, marks=() if way == "module" else slow) for way in WAYS]
)
def test_every_step_is_observed_nothing_is_changed_and_a_fault_is_named(run, way):
    recorded, again = (one.trace for one in run(way))
    (unrecorded,) = (one.trace for one in run(way, number=1, record=False))
    assert isinstance(compare_trainings(recorded, again), Match)
    assert recorded.measures.steps == 8 and recorded.measures.moved and recorded.trained
    assert recorded.final == again.final == unrecorded.final is not None
    assert recorded.stdout(100) == unrecorded.stdout(100)
    columns = {column for table in recorded.step_tables for column in table.columns}
    weights = {"dense/kernel", "dense/bias"} if way == "of layers" else {"w", "b"}
    assert {("update", one) for one in weights} == {
        (stage, name.replace(" (2)", "")) for stage, name in columns if stage == "update"
    }
    assert ("loss", "loss") in columns or ("data", "argument.0") in columns or way == "apart"
    found = compare_trainings(*(one.trace for one in run(way, "fault")))
    assert isinstance(found, Divergence) and found.step == 5, found
    # The noise is an argument of a function
    assert found.stage == ("data" if ("data", "argument.0") in columns else "update")


@pytest.mark.parametrize("way", slow_but_for(["eager"], ["eager", "scattered"]))
def test_the_operation_in_a_step_of_eager_code_is_named(run, way):
    found = pinpoint.judged(run(way, "fault", pinpoint=5, eager=True))
    assert (found.kind, found.failed, found.stage) == ("eager loop", "", "update")
    assert (found.operation.name, found.origin) == ("AddV2", pinpoint.PYTHON)
    (line,) = [
        number
        for number, text in enumerate(SCRIPT.splitlines(), 1)
        if text.startswith(
            {"eager": "        variable.assign_sub", "scattered": "    w.scatter_sub"}[way]
        )
        and (way != "eager" or number < SCRIPT.splitlines().index("class Model(tf.Module):"))
    ]
    assert found.line.endswith(f"train.py:{line}")


@slow
def test_a_gradient_of_a_function_that_eager_code_applies_says_why_no_operation_is_named(run):
    found = pinpoint.judged(run("apart", "fault", pinpoint=5, eager=True))
    assert "the gradient comes from a tf.function" in found.failed


@slow
def test_what_is_assigned_without_a_gradient_or_beside_keras_is_no_step(run):
    for way in ("counted", "saliency"):
        (one,) = (done.trace for done in run(way, number=1))
        assert not one.measures.steps and not one.trained and one.final is None
    (keras,) = (one.trace for one in run("keras", number=1))
    assert keras.measures.steps == 8
    assert not any("average" in name for table in keras.step_tables for _, name in table.columns)


@slow
def test_a_step_is_where_a_run_was_asked_to_end(run):
    for way in ("eager", "function"):
        (whole,) = (done.trace for done in run(way, number=1, stop_steps=8))
        assert whole.outcome["kind"] == "completed" and whole.final is not None
        (one,) = (done.trace for done in run(way, number=1, stop_steps=3))
        assert one.measures.stopped == 3
        left, right = (done.trace for done in run(way, fault="fault", record=False, stop_steps=3))
        assert isinstance(compare_last(left, right), Match)

"""Functions that TensorFlow compiles for a script, in every way to call them: all steps are
recorded, and nothing else.
"""

import subprocess
import sys

import pytest
from detaudit.commands.run.repeat import compare_ends, compare_runs
from detaudit.core.divergence import Match

from tests.frameworks.test_recording import run
from tests.slow import slow, slow_but_for

pytestmark = pytest.mark.framework

#: Each part says how many steps it makes, and how many weights they have.
SCRIPT = """
import gc, hashlib, random, weakref
import numpy as np, tensorflow as tf
IMPORT
tf.config.experimental.set_virtual_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.experimental.VirtualDeviceConfiguration()] * 2)
random.seed(1), np.random.seed(1), tf.random.set_seed(1)
x = tf.reshape(tf.range(24, dtype="float32"), (12, 2)) / 24
y = tf.reduce_sum(x, 1, keepdims=True)
def make(*units):
    model = keras.Sequential([keras.Input((2,)), *map(keras.layers.Dense, units), keras.layers.Dense(1)])
    optimizer = keras.optimizers.SGD(0.01)
    build = optimizer.build if hasattr(optimizer, "build") else optimizer._create_all_weights
    build(model.trainable_variables)
    return model, optimizer
def show(what, model):
    print(what, hashlib.md5(b"".join(w.tobytes() for w in model.get_weights())).hexdigest())
def update(model, optimizer, a, b):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(a) - b) ** 2)
    weights = model.trainable_variables
    optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
    return loss

model, optimizer = make(3)
concrete = tf.function(lambda a, b: update(model, optimizer, a, b)).get_concrete_function(
    tf.TensorSpec((4, 2)), tf.TensorSpec((4, 1)))
for a, b in tf.data.Dataset.from_tensor_slices((x, y)).batch(4):
    concrete(a, b)  # 3 of 4
show("concrete", model)

one, other = make(3), make(3, 3)
both = tf.function(update)
for model, optimizer in (one, other, one):
    both(model, optimizer, x, y)  # of 4, of 6, of 4
show("two", one[0]), show("two", other[0])

model, optimizer = make(3, 3, 3)
inner = tf.function(lambda a, b: update(model, optimizer, a, b))
inner(x, y)  # 1 of 8
@tf.function
def outer(a, b):
    return inner(a, b) + 1.0
outer(x, y)  # 1 of 8
@tf.function
def turns(a, b):
    for row in tf.range(3):  # a loop of the graph's
        inner(a, b)
    return tf.cond(tf.reduce_sum(a) > 0, lambda: inner(a, b), lambda: 0.0)
turns(x, y)  # 1 of 8
@tf.function
def look(a):
    return model(a)
look(x)
show("nested", model)

gone = [weakref.ref(one) for one in (other[1], *other[0].layers)]
del one, other, both, model, optimizer, inner, outer, turns, look
gc.collect()
print("gone", [one() is None for one in gone])

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    model, optimizer = make(3, 3, 3, 3)
@tf.function
def distributed(a, b):
    return strategy.run(update, args=(model, optimizer, a, b))
for _ in range(2):
    distributed(x, y)  # 2 of 10
show("replicas", model)

def trainer():
    model, optimizer = make(3)
    step = tf.function(lambda a, b: update(model, optimizer, a, b))
    return model, step.get_concrete_function(tf.TensorSpec((4, 2)), tf.TensorSpec((4, 1)))
if hasattr(keras.utils, "set_random_seed"):  # in older versions its variables are gone with the optimizer
    model, concrete = trainer()
    for row in (0, 4):
        concrete(x[row:row + 4], y[row:row + 4])  # 2 of 4
    show("orphan", model)
model, optimizer = make(3)
last = tf.function(lambda a, b: update(model, optimizer, a, b))
try:
    last(x[:, :1], y)  # no step
except ValueError:
    pass
last(x, y)  # 1 of 4
held = tf.Variable(1.0)
last = tf.function(lambda a: a + held)
last(x)
gone = [weakref.ref(held), weakref.ref(last.get_concrete_function(x).graph)]
del held, last
gc.collect()
print("gone", [one() is None for one in gone])
print(keras.Model.__module__.partition(".")[0])
"""
STEPS = [4] * 3 + [4, 6, 4] + [8] * 3 + [10] * 2
ORPHANS, LAST = [4] * 2, [4]


@pytest.mark.parametrize("package", slow_but_for(["keras"], ["keras", "tf_keras"]))
def test_each_step_of_a_function_is_observed_with_the_weights_of_its_own_model(package, tmp_path):
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed here")
    pytest.importorskip(package, reason=f"the package {package} is not installed here")
    followed(f"import {package} as keras", tmp_path)


def followed(imported, folder, **where):
    """The script prints the same as without us, and its steps are recorded (``where``: the
    interpreter, the backend).
    """
    script = folder / "work" / "train.py"
    script.parent.mkdir()
    script.write_text(SCRIPT.replace("IMPORT", imported))
    plain = subprocess.run(
        [where.get("python", sys.executable), str(script)],
        capture_output=True,
        text=True,
        check=True,
        cwd=script.parent,
    ).stdout
    assert plain.count("gone [True, ") == 2  # the rest as without us: layers stay on TensorFlow 2.3
    recorded, unrecorded = run(script, folder / "control", **where)
    steps = STEPS + (ORPHANS if "orphan " in plain else []) + LAST
    for done in (recorded, unrecorded):
        assert (done.trace.folder / "stdout").read_text() == plain
    assert recorded.trace.digests["final"] == unrecorded.trace.digests["final"]
    assert recorded.trace.measures.steps == len(steps) and recorded.trace.measures.moved
    rows = sorted(
        (
            (int(number), table)
            for table in recorded.trace.tables
            if table.kind == "steps"
            for number in table.sequence
        ),
        key=lambda row: row[0],
    )
    observed = [
        [
            name
            for stage, name in table.columns
            if stage == "update" and not name.startswith("optimizer/")
        ]
        for _, table in rows
    ]
    assert [len(names) for names in observed] == steps and all(
        len(set(names)) == len(names) for names in observed
    )
    assert all("data" in {stage for stage, _ in table.columns} for _, table in rows)


#: Threads that train; what comes before the last line makes ``train`` and how they run.
THREADS = """
import sys, threading
import keras, numpy as np, tensorflow as tf
keras.utils.set_random_seed(1)
x, y = np.ones((4, 2), "float32"), np.ones((4, 1), "float32")
def make():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model, keras.optimizers.SGD(0.01)
def compiled(made):
    model, optimizer = made
    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x) - y) ** 2)
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
    for _ in range(50):
        step()
def fit(made):
    made[0].fit(x, y, epochs=50, verbose=0)
def beside(*trainings):
    threads = [threading.Thread(target=one) for one in trainings]
    [one.start() for one in threads], [one.join() for one in threads]
one, other = make(), make()
WHAT
print("done")
"""
BESIDE = {
    "functions": "beside(lambda: compiled(one), lambda: compiled(other))",
    "fits": "beside(lambda: fit(one), lambda: fit(other))",
    "fit and function": "beside(lambda: fit(one), lambda: compiled(other))",
    "models": "beside(*[lambda: compiled(make()) for _ in range(4)])",
    "main": "thread = threading.Thread(target=lambda: compiled(one))\nthread.start(), compiled(other), thread.join()",
}


@pytest.mark.parametrize("how", BESIDE)
@slow
def test_threads_that_train_side_by_side_are_compared_at_the_end_and_not_disturbed(how, tmp_path):
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed here")
    script = tmp_path / "train.py"
    script.write_text(THREADS.replace("WHAT", BESIDE[how]))
    recorded, unrecorded = run(script, tmp_path / "control")
    again, _ = run(script, tmp_path / "again")
    assert recorded.trace.side_by_side and not recorded.trace.trained
    assert isinstance(compare_runs(recorded, again), Match)
    assert isinstance(compare_ends(recorded, unrecorded), Match)
    assert (recorded.trace.folder / "stdout").read_text() == "done\n"
    assert (recorded.trace.folder / "stderr").read_text().count("Traceback") == 0


@slow
def test_threads_that_train_one_after_the_other_are_followed(tmp_path):
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed here")
    script = tmp_path / "train.py"
    script.write_text(
        THREADS.replace(
            "WHAT",
            "compiled(one)\nbeside(lambda: fit(other))\nbeside(lambda: fit(one))\ncompiled(other)",
        )
    )
    done = [run(script, tmp_path / name)[0] for name in ("first", "second")]
    assert all(
        one.trace.measures.not_recorded is None and one.trace.measures.steps == 200 for one in done
    )
    assert isinstance(compare_runs(*done), Match)


#: A step that fails once, and is tried again.
TRIED_AGAIN = """
import keras, tensorflow as tf
keras.utils.set_random_seed(1)
x, y = tf.ones((4, 2)), tf.ones((4, 1))
model, optimizer = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]), keras.optimizers.SGD(0.01)
@tf.function
def step(limit):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(x) - y) ** 2)
    with tf.control_dependencies([tf.debugging.assert_less(loss, limit)]):
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
for limit in (1e9, -1.0, 1e9):
    try:
        step(tf.constant(limit))
    except tf.errors.InvalidArgumentError:
        print("again")
"""


@slow
def test_a_step_that_fails_and_is_tried_again_can_be_replayed(tmp_path):
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed here")
    script = tmp_path / "train.py"
    script.write_text(TRIED_AGAIN)
    recorded, _ = run(script, tmp_path / "control", pinpoint=1)
    found = recorded.trace.measures.pinpoint
    assert (found.kind, found.operation, found.failed) == ("tf.function", None, "")
    assert (
        found.operations > 5
        and found.replay_matches_step is True
        and recorded.trace.measures.steps == 2
    )


#: AutoGraph converts the first function, which is traced once, and generates other code for it.
TRACED = """
import numpy as np, tensorflow as tf
def crop(x):
    if x >= 0:
        x = x + np.random.default_rng().normal()
    return x
def plain():
    return np.random.default_rng().normal()
print(list(tf.data.Dataset.range(3).map(lambda x: crop(tf.cast(x, tf.float64)))), plain(), plain())
"""


def test_the_line_of_a_traced_function_is_the_users_and_its_draw_is_one(tmp_path):
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed here")
    script = tmp_path / "train.py"
    script.write_text(TRACED)
    spied, _ = run(script, tmp_path / "control", spy="numpy-generator")
    draws = {(one.line, one.function, one.draws, one.traced) for one in spied.trace.sites().draws}
    assert draws == {(5, "crop", 1, True), (8, "plain", 2, False)}

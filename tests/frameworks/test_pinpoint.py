"""From the step at which runs differ to the operation: the planted one is named, and a replay
changes nothing.

Each layer is trained in four ways: by ``fit``, compiled and eagerly, in a ``tf.function`` and in a
loop of eager code. Some layers in some ways are tried every day, all of them with ``--all``.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from detaudit.core import divergence, pinpoint
from detaudit.core.condition import Condition
from detaudit.core.experiment import Finished
from detaudit_probes.ops.event import Event, first_difference
from detaudit_probes.protocol import NOT_KNOWN

from tests.frameworks.replaying import pinned, runs_of
from tests.slow import slow, slow_but_for

pytestmark = pytest.mark.framework
NEVER = 10**6  # a step that no script has: nothing is replayed

HEAD = """
import random, sys, threading, time
import keras, numpy as np, tensorflow as tf
random.seed(1); tf.random.set_seed(1)
WAY, PLANTED = sys.argv[1], sys.argv[2]

def raced(x):
    order = []
    def work(k):
        time.sleep(random.SystemRandom().random() / 500)
        order.append(k)
    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    [t.start() for t in threads]; [t.join() for t in threads]
    # Of the whole order, of which there are 720: the first alone would too often be the same in four processes.
    return (x * np.float32(1 + sum(k * 6 ** place for place, k in enumerate(order)) / 1e5)).astype("float32")

def noised(x):
    return (x + np.random.normal(size=x.shape)).astype("float32")

class Python(keras.layers.Layer):
    def __init__(self, function, **named):
        super().__init__(**named)
        self.function = function
    def call(self, x):
        y = tf.numpy_function(self.function, [x], tf.float32)
        y.set_shape(x.shape)
        return x + tf.stop_gradient(y - x)  # PYTHON

def twice():
    # A layer inside of a model inside of a model, which calls it two times.
    shared = keras.Sequential([keras.layers.Dense(8), Python(noised, name="noisy")], name="inner")
    inputs = keras.Input((8,))
    return keras.Model(inputs, shared(shared(inputs)), name="twice")

class Kept(keras.layers.Layer):
    # Draws from generators of its own, which the script has seeded, and counts its calls where it is to count.
    def __init__(self, counts, **named):
        super().__init__(**named)
        self.tensorflow = tf.random.Generator.from_seed(1)
        self.numpy, self.python, self.calls, self.counts = np.random.default_rng(1), random.Random(1), 0, counts
    def call(self, x):
        def own(x):
            self.calls += self.counts
            return np.float32(self.numpy.normal() + self.python.random() + self.calls)
        mine = tf.numpy_function(own, [x[0, 0]], tf.float32)
        mine.set_shape(())
        return x * (self.tensorflow.uniform(()) + tf.stop_gradient(mine))

def drawn(shape, dtype=None):
    return np.random.normal(size=shape)  # INIT

if PLANTED in ("embedding", "unbuilt", "kept", "counted"):
    inputs, first = keras.Input((200,), dtype="int32"), keras.layers.Embedding(50, 16)
    middle = keras.layers.GlobalAveragePooling1D()
    if PLANTED in ("kept", "counted"):
        middle = keras.Sequential([middle, Kept(PLANTED == "counted")])
    x = np.resize(np.arange(50) ** 2 % 50, (800, 200)).astype("int32")
else:
    inputs, first = keras.Input((4,)), keras.layers.Dense(8)
    middle = {"race": lambda: Python(raced, name="racing"), "noise": lambda: Python(noised, name="noisy"),
              "dropout": lambda: keras.layers.Dropout(0.5, seed=random.SystemRandom().randrange(10**6), name="drop"),
              "nested": twice, "map": lambda: keras.layers.Dense(8),
              "init": lambda: keras.layers.Dense(8, kernel_initializer=drawn)}[PLANTED]()
    x = np.linspace(0, 1, 800 * 4).reshape(800, 4).astype("float32")
y = np.linspace(0, 1, 800).reshape(800, 1).astype("float32")
layers = [inputs, first, middle, keras.layers.Dense(1)]
model = keras.Sequential(layers[1:] if PLANTED == "unbuilt" else layers)
optimizer = keras.optimizers.SGD(0.1)
data = tf.data.Dataset.from_tensor_slices((x, y))
if PLANTED == "map":
    data = data.map(lambda a, b: (a + tf.random.normal((4,)), b), num_parallel_calls=4)  # MAP
data = data.batch(200)

def step(a, b):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(a, training=True) - b) ** 2)
    grads = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(grads, model.trainable_variables))  # APPLY

def run():
    if WAY in ("compiled", "eager", "train_on_batch"):
        model.compile(optimizer, "mse", jit_compile=False, run_eagerly=WAY == "eager")
    if WAY in ("compiled", "eager"):
        model.fit(data, epochs=1, verbose=0)  # FIT
        return
    function = tf.function(step) if WAY == "function" else step
    if WAY == "train_on_batch":
        function = model.train_on_batch
    for a, b in data:
        function(a, b)

run()
print(sum(float(np.abs(w).sum()) for w in model.get_weights()))
"""


@pytest.fixture
def replayed(tmp_path, fresh_folder) -> Callable[..., list[Finished]]:
    """Two runs of the script, which replay one of its steps."""
    (tmp_path / "train.py").write_text(HEAD)

    def run(
        way: str, planted: str, *pins: str, step: int = 0, runs: int = 2, **options: object
    ) -> list[Finished]:
        condition = Condition("tensorflow", "auto", "train.py", 1).with_orders(
            pinpoint=step, eager=way in ("function", "loop"), **options
        )
        if not pins:  # more threads than cores make a race likely
            condition = condition.with_environment({"TF_NUM_INTRAOP_THREADS": "8"})
        return runs_of(
            tmp_path / "train.py",
            (way, planted),
            sys.executable,
            pinned(condition, pins),
            runs,
            fresh_folder(),
            {},
        )

    return run


def line(mark: str) -> int:
    return next(
        number for number, text in enumerate(HEAD.splitlines(), 1) if text.endswith(f"# {mark}")
    )


WAYS = ("compiled", "eager", "function", "loop")
RACES = [("compiled", "FIT"), ("function", "APPLY"), ("loop", "APPLY"), ("eager", "FIT")]


@pytest.mark.parametrize(
    "way",
    [
        "compiled",
        pytest.param("train_on_batch", marks=slow),
        pytest.param("eager", marks=slow),
        pytest.param("function", marks=slow),
    ],
)
def test_a_step_that_creates_the_weights_begins_with_them_again(replayed, way):
    """A model without an input layer: its weights began with zeros, so that nothing raced."""
    found = pinpoint.judged(replayed(way, "unbuilt"))
    assert (found.operation.name, found.stage) == ("ResourceScatterSub", "update")
    assert found.recorded.distinct > 1


@pytest.mark.parametrize(("way", "mark"), slow_but_for([("compiled", "FIT")], RACES))
def test_the_race_of_an_embedding_is_one_operation_of_one_weight(replayed, way, mark):
    found = pinpoint.judged(replayed(way, "embedding", runs=4 if way == "loop" else 2))
    assert found.operation.name == "ResourceScatterSub"
    assert (found.stage, found.layer) == ("update", "sequential/embedding/embeddings")
    assert found.line.endswith(f"train.py:{line(mark)}")
    assert found.origin == ("state" if way == "loop" else pinpoint.KERNEL)
    if way != "loop":
        assert (
            found.operation.replays.distinct > 1
            and found.eager.distinct > 1
            and found.recorded.distinct > 1
        )
        assert found.compiled.distinct > 1  # the compiled step as a whole parts too


@pytest.mark.parametrize("pin", ["op-determinism", "one-thread"])
@slow
def test_a_pin_makes_the_replays_of_the_race_match(replayed, pin):
    found = pinpoint.judged(replayed("compiled", "embedding", pin))
    assert found.operation is None and found.operations > 50
    assert (found.recorded.distinct, found.eager.distinct, found.compiled.distinct) == (1, 1, 1)
    assert found.recorded.replays == 20 and found.recorded_matches_eager


PLANTED = {
    "race": ("sequential/racing", "python"),
    "noise": ("sequential/noisy", "python"),
    "dropout": ("drop", "input"),
    "nested": ("inner/noisy", "python"),
}
USUAL = [("noise", "function")]


@pytest.mark.parametrize(
    ("planted", "way"),
    slow_but_for(USUAL, [(planted, way) for planted in PLANTED for way in WAYS]),
)
def test_the_layer_that_was_planted_is_named(replayed, planted, way):
    found = pinpoint.judged(
        replayed(way, planted, runs=4 if (way, planted) == ("loop", "race") else 2)
    )
    layer, origin = PLANTED[planted]
    assert (found.stage, found.layer, found.origin) == ("forward", layer, origin)
    if origin == "python":
        assert found.line.endswith(f"train.py:{line('PYTHON')}")
    if planted == "race" and way != "loop":
        assert (
            found.operation.replays.replays == 10 and found.operation.replays.distinct > 1
        )  # in one process already


@slow
@pytest.mark.parametrize("planted", ["kept", "counted"])
def test_what_a_step_keeps_to_itself_is_not_blamed_for_a_race(replayed, planted):
    """Generators of a layer's own are set back; a counter is not, and counts alike in both
    processes.
    """
    found = pinpoint.judged(replayed("compiled", planted, runs=4 if planted == "counted" else 2))
    assert (found.operation.name, found.stage) == ("ResourceScatterSub", "update")
    assert found.origin == (pinpoint.KERNEL if planted == "kept" else "state")


BEFORE = {
    "map": ("data", "batch.0", "tfdata-random-map", "MAP"),
    "init": ("init", "sequential/dense_1/kernel", "numpy-legacy", "INIT"),
}


@pytest.mark.parametrize(
    ("planted", "way"),
    slow_but_for([("map", "function")], [(planted, way) for planted in BEFORE for way in WAYS]),
)
def test_what_differs_before_a_step_is_reported_by_stage_name_and_line(replayed, planted, way):
    stage, name, source, mark = BEFORE[planted]
    left, right = replayed(way, planted, step=NEVER)
    found = divergence.compare(left.trace, right.trace, ignore=("rng",))
    assert (found.stage, found.name) == (stage, name), found
    (spied,) = replayed(way, planted, runs=1, step=NEVER, spy=source)
    sites = json.loads((spied.trace.folder / "sites.json").read_text())["draws"]
    assert [(Path(one["file"]).name, one["line"]) for one in sites if one["in_user_code"]] == [
        ("train.py", line(mark))
    ]


@slow
def test_a_replay_leaves_the_training_as_it_was(replayed):
    """With everything pinned, a run in which a step was replayed prints, and records, what one
    without does.
    """
    pins = ("python-random", "numpy-legacy", "one-thread")
    for way in ("compiled", "function", "train_on_batch"):
        (with_replay,) = replayed(way, "noise", *pins, runs=1)
        (without,) = replayed(way, "noise", *pins, runs=1, step=NEVER)
        assert with_replay.trace.measures.pinpoint.recorded.replays == 10
        ends = [(one.trace.folder / "stdout").read_text() for one in (with_replay, without)]
        assert ends[0] == ends[1] != ""
        assert with_replay.trace.digests["final"] == without.trace.digests["final"]
        assert with_replay.trace.measures.steps == without.trace.measures.steps == 4


@slow
def test_every_operation_of_a_step_is_listed_with_its_layer(replayed):
    (done,) = replayed("compiled", "embedding", runs=1)
    events = json.loads((done.trace.folder / "events.json").read_text())["events"]
    by_stage = {
        stage: {(one["operation"], one["layer"]) for one in events if one["stage"] == stage}
        for stage in ("forward", "gradient", "update")
    }
    assert ("GatherV2", "sequential/embedding") in by_stage["forward"]
    assert ("MatMul", "sequential/dense") in by_stage["forward"] & by_stage["gradient"]
    assert ("ResourceScatterSub", "sequential/embedding/embeddings") in by_stage["update"]
    assert ("AssignSubVariableOp", "sequential/dense/kernel") in by_stage["update"]
    assert "mse" in {layer for _, layer in by_stage["forward"] & by_stage["gradient"]}


def test_the_step_is_reported_layer_by_layer(replayed):
    """The layer that is called twice differs where it is called first; what it feeds has other
    inputs already.
    """
    found = pinpoint.judged(replayed("eager", "nested"))
    reported = [
        (layer.stage, layer.name, layer.distinct_inputs > 1, layer.distinct_outputs > 1)
        for layer in found.layers
        if layer.name
    ]
    own = [layer for layer in reported if layer[1] == "inner/noisy"]
    assert own[0] == ("forward", "inner/noisy", False, True) and own[1] == (
        "forward",
        "inner/noisy",
        True,
        True,
    )
    assert reported[0] == ("forward", "sequential/dense", False, False)
    assert ("gradient", "sequential/dense_2", True, True) in reported
    assert ("update", "sequential/dense/kernel", True, True) in reported


def test_replays_are_compared_by_what_was_executed():
    same = Event("MatMul", (1, 2), (3,), foreign=(0,), attributes={"transpose_a": False})
    assert first_difference([[same, same], [same, same]]) is None
    kernel = first_difference([[same, same], [same, same._replace(outputs=(4,))]])
    assert (kernel.distinct, kernel.python) == (2, False)
    assert first_difference(
        [[same], [same._replace(inputs=(9, 2), outputs=(4,))]]
    ).python  # what no operation made
    assert (
        first_difference([[same], [same._replace(inputs=(1, 9), outputs=(4,))]]) is None
    )  # came in unseen
    assert first_difference([[same], [same._replace(operation="Add", outputs=(4,))]]) is None
    turned = same._replace(attributes={"transpose_a": True}, outputs=(4,))
    assert first_difference([[same], [turned]]).python  # another call: no fault of the operation
    unknown = same._replace(inputs=(NOT_KNOWN, 2))
    assert first_difference([[unknown], [unknown._replace(outputs=(4,))]]) is None

"""Keras 2 in the package ``tf_keras``, beside Keras 3: chosen by the script, or by TensorFlow for
it.
"""

import json
import subprocess
import sys

import pytest

from tests.frameworks.test_recording import run
from tests.slow import slow

pytestmark = pytest.mark.framework

#: Each part says how many steps it makes.
SCRIPT = """
import hashlib
import numpy as np, tensorflow as tf
IMPORT
keras.utils.set_random_seed(1)
x = np.arange(24, dtype="float32").reshape(12, 2) / 24
y = x.sum(1, keepdims=True)
def make():
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, "relu"), keras.layers.Dense(1)])
def show(what, model):
    print(what, hashlib.md5(b"".join(w.tobytes() for w in model.get_weights())).hexdigest())
def squares(model, a, b):
    return tf.reduce_mean((model(a) - b) ** 2)

model = make()
model.compile("adam", "mse")
model.fit(x, y, batch_size=4, verbose=0)  # 3
model.train_on_batch(x, y)  # 1
show("fit", model)

model, optimizer = make(), keras.optimizers.Adam()
def update(a, b):
    with tf.GradientTape() as tape:
        loss = squares(model, a, b)
    weights = model.trainable_variables
    optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
    return loss
update(x, y)  # 1
compiled = tf.function(update)
for a, b in tf.data.Dataset.from_tensor_slices((x, y)).batch(4):
    compiled(a, b)  # 3
show("loop", model)

ahead, behind = make(), make()
first, second = keras.optimizers.SGD(0.1), keras.optimizers.legacy.Adam(0.1)
class Both:
    @tf.function
    def both(self, a, b):  # as a generator and its discriminator are trained
        for optimizer, model in ((first, ahead), (second, behind)):
            with tf.GradientTape() as tape:
                loss = squares(model, a, b)
            optimizer.minimize(loss, model.trainable_variables, tape=tape)
    @tf.function
    def look(self, a):
        return ahead(a)
for row in range(2):
    Both().both(x[row:row + 1], y[row:row + 1])  # 2
Both().look(x)
show("both", ahead), show("both", behind)
print(keras.Model.__module__.partition(".")[0])
"""
STEPS = 3 + 1 + 1 + 3 + 2


@pytest.mark.parametrize(
    ("imported", "chosen"),
    [
        pytest.param("import tf_keras as keras", "", id="package", marks=slow),
        pytest.param("from tensorflow import keras", "1", id="tensorflow's", marks=slow),
        pytest.param(
            "from tensorflow.keras import layers; keras = tf.keras",
            "1",
            id="submodule",
            marks=slow,
        ),
        pytest.param(
            "import keras; keras.layers.Dense(1); import tf_keras as keras", "", id="both"
        ),
    ],
)
def test_a_recorded_script_does_what_it_does_without_us_and_every_step_is_observed(
    imported, chosen, tmp_path, monkeypatch
):
    pytest.importorskip("tf_keras", reason="the package tf_keras is not installed here")
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", chosen)
    script = tmp_path / "work" / "train.py"
    script.parent.mkdir()
    script.write_text(SCRIPT.replace("IMPORT", imported))
    plain = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True, cwd=script.parent
    ).stdout
    assert plain.endswith("\ntf_keras\n")
    recorded, unrecorded = run(script, tmp_path / "control")
    for done in (recorded, unrecorded):
        assert (done.trace.folder / "stdout").read_text() == plain
    assert recorded.trace.digests["final"] == unrecorded.trace.digests["final"]
    assert recorded.trace.measures.steps == STEPS and recorded.trace.measures.moved
    assert recorded.trace.measures.backend == "tf_keras"
    steps = [[(stage, name) for stage, name in table.columns] for table in recorded.trace.tables]
    last = steps[-1]
    assert {stage for stage, _ in last} >= {"data", "update"}
    updated = [
        name for stage, name in last if stage == "update" and not name.startswith("optimizer/")
    ]
    assert len(updated) == len(set(updated)) == 8, "the weights of both networks, each once"


@pytest.mark.parametrize(
    ("imported", "chosen", "function"),
    [
        pytest.param(
            "import tf_keras as keras",
            "",
            "tf_keras.utils.set_random_seed",
            id="package",
            marks=slow,
        ),
        pytest.param(
            "from tensorflow import keras",
            "1",
            "tf.keras.utils.set_random_seed",
            id="tensorflow's",
        ),
    ],
)
def test_the_seed_that_a_script_sets_is_reported_under_the_name_it_has_there(
    imported, chosen, function, tmp_path, monkeypatch
):
    pytest.importorskip("tf_keras", reason="the package tf_keras is not installed here")
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", chosen)
    script = tmp_path / "train.py"
    script.write_text(
        f"{imported}\nkeras.utils.set_random_seed(1)\nmodel = keras.Sequential([keras.layers.Dense(1)])\n"
        "model.compile('sgd', 'mse')\nmodel.fit([[1.0]], [[1.0]], verbose=0)\n"
    )
    spied, _ = run(script, tmp_path / "control", spy="python-random")
    seeds = json.loads((spied.trace.folder / "sites.json").read_text())["seeds"]
    assert {"function": function, "line": 2, "reaches": True}.items() <= seeds[0].items()

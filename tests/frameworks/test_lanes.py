"""Each backend's own fingerprints match those of the host, and a recorded training keeps its
meaning with them.

No GPU is needed: what a card computes is computed here by the same operations on the CPU. Torch and
JAX are tried if they are installed beside the tests, or in the interpreter that
``_DETAUDIT_TORCH_PYTHON`` or ``_DETAUDIT_JAX_PYTHON`` names.
"""

import os
import subprocess
from pathlib import Path

import detaudit_probes
import pytest
from detaudit.core.condition import Condition

from tests.frameworks.replaying import runs_of
from tests.interpreters import with_backend
from tests.slow import slow

pytestmark = pytest.mark.framework
BACKENDS = ["tensorflow", "torch", "jax"]

AGREE = """
import sys
import numpy as np
from detaudit_probes import backends
from detaudit_probes.recording import on_device as lanes

adapter = backends.get(sys.argv[1])
lanes.BLOCK = 1000
rng = np.random.default_rng(0)
arrays = [rng.standard_normal(shape).astype(dtype) for shape in [(3,), (5, 7), (), (0,), (1000,), (2, 1001)]
          for dtype in ("float32", "float16")]
arrays += [rng.integers(0, 255, 11).astype(dtype)
           for dtype in ("int8", "uint8", "int16", "int32", "int64", "uint16", "uint32", "uint64", "bool", "float64")]
if sys.argv[1] == "torch":
    import torch
    make, half = torch.as_tensor, lambda value: value.to(torch.bfloat16)
elif sys.argv[1] == "jax":
    import jax
    jax.config.update("jax_enable_x64", True)
    make, half = jax.numpy.asarray, lambda value: value.astype(jax.numpy.bfloat16)
else:
    import tensorflow as tf
    make, half = tf.constant, lambda value: tf.cast(value, tf.bfloat16)
tensors = [make(array) for array in arrays] + [half(make(arrays[2]))]
arrays.append(adapter.read(tensors[-1]))
assert [adapter.dtype_name(one) for one in tensors] == [one.dtype.name for one in arrays]
assert not any(adapter.on_card(one) for one in tensors)
assert set(lanes.WIDTHS) == {one.dtype.name for one in arrays}
for array, found in zip(arrays, adapter.lanes(tensors)):
    assert found == lanes.of_array(array), (array.dtype, array.shape, found)
assert adapter.lanes([]) == []
if sys.argv[1] == "jax":  # weights that lie on different cards, and one that lies on several
    one, other = jax.devices()
    mesh = jax.sharding.Mesh(np.array([one, other]), ("cards",))
    spread = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("cards"))
    values = [np.arange(8, dtype="float32") + shift for shift in range(4)]
    there = [jax.device_put(value, place) for value, place in zip(values, (one, other, spread, one))]
    assert adapter.lanes(there) == [lanes.of_array(value) for value in values]
print("agree", len(arrays))
"""

TRAIN = """
import sys
import detaudit_probes.backends
import keras, numpy as np
adapter = detaudit_probes.backends.get(keras.backend.backend())
calls = []
given = adapter.lanes
adapter.lanes = lambda values: calls.append(len(values)) or given(values)
adapter.on_card = lambda value: CARD
keras.utils.set_random_seed(int(sys.argv[1]))
x = np.random.rand(32, 4).astype("float32")
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1)])
model.compile(keras.optimizers.Adam(float(sys.argv[2])), "mse")
model.fit(x, x.sum(1), epochs=2, batch_size=8, verbose=0)
print(len(calls) > 0, "calls")
"""


@pytest.fixture(params=BACKENDS)
def python(request):
    return request.param, with_backend(request.param)


def test_every_dtype_matches_the_host(python):
    backend, interpreter = python
    source = str(Path(detaudit_probes.__file__).parents[1])
    done = subprocess.run(
        [interpreter, "-c", AGREE, backend],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "PYTHONPATH": source,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        },
    )
    assert done.returncode == 0 and done.stdout.startswith("agree"), done.stderr[-2000:]


def train(tmp_path, backend, interpreter, seed, rate, card=True):
    script = tmp_path / f"train_{card}.py"
    script.write_text(TRAIN.replace("CARD", str(card)))
    return runs_of(
        script,
        (seed, rate),
        interpreter,
        Condition(backend, "auto", script.name, 1),
        2,
        tmp_path / f"control-{seed}-{rate}-{card}",
        {"KERAS_BACKEND": backend},
    )


def cells(run):
    return [
        (table.columns, table.cells.tolist()) for table in run.trace.tables if table.kind == "steps"
    ]


@slow
def test_a_training_that_is_fingerprinted_on_its_card(python, tmp_path):
    """Equal runs match, others differ; weights that do not change are noticed; the final weights
    have the same bits.
    """
    backend, interpreter = python
    one, again = train(tmp_path, backend, interpreter, "1", "0.01")
    assert (one.trace.folder / "stdout").read_text() == "True calls\n"
    assert cells(one) == cells(again) and one.trace.measures.moved
    assert cells(train(tmp_path, backend, interpreter, "2", "0.01")[0]) != cells(one)
    assert sum(len(rows) for _, rows in cells(one)) == 8
    still = train(tmp_path, backend, interpreter, "1", "0.0")[0]
    assert not still.trace.measures.moved and len(cells(still)) == len(cells(one))
    host = train(tmp_path, backend, interpreter, "1", "0.01", card=False)[0]
    assert (host.trace.folder / "stdout").read_text() == "False calls\n"
    assert host.trace.digests["final"] == one.trace.digests["final"]
    assert [table.columns for table in host.trace.tables] == [
        table.columns for table in one.trace.tables
    ]

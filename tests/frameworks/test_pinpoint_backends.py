"""From the step to the operation on Torch and on JAX: what was planted is named, and a replay
changes nothing.

Tried where the backend is installed beside the tests, or in the interpreter that
``_DETAUDIT_TORCH_PYTHON`` or ``_DETAUDIT_JAX_PYTHON`` names.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from detaudit.commands.ops import reproducer
from detaudit.core import pinpoint
from detaudit.core.condition import Condition
from detaudit.core.experiment import Finished

from tests.frameworks.replaying import pinned, runs_of
from tests.interpreters import with_backend
from tests.slow import slow, slow_but_for

pytestmark = pytest.mark.framework
NEVER = 10**6  # a step that no script has: nothing is replayed

COMMON = """
import random, sys, threading, time
import keras, numpy as np
random.seed(1); np.random.seed(1)
WAY, PLANTED = sys.argv[1], sys.argv[2]
entropy = random.SystemRandom()

def noised(x):
    return (np.asarray(x) + np.float32(entropy.randrange(10**6) / 1e6)).astype("float32")

def dropping():
    return keras.layers.Dropout(0.5, seed=entropy.randrange(10**6), name="drop")
"""
TORCH = """
import torch
torch.manual_seed(1)
torch.set_num_threads(8)

class Picked(keras.layers.Layer):
    # Indexing adds up the gradients of its rows in parallel, in whatever order.
    def build(self, shape):
        self.table = self.add_weight(shape=(50, 16), name="table")
    def call(self, x):
        return self.table.value[x.long()].mean(1)  # PICK

class Pieces(keras.layers.Layer):
    # Memory that is filled piece by piece.
    def call(self, x):
        made = torch.empty_like(x)
        for k in range(x.shape[0]):
            made[k] = x[k]
        return made

class Adding(keras.Model):
    # Gradients are added to those of the step before, and Torch's own optimizer has a state.
    def train_step(self, data):
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        if not hasattr(self, "torchs"):
            object.__setattr__(self, "torchs", torch.optim.Adam([one.value for one in self.trainable_weights]))
        x = torch.as_tensor(x).div_(2)  # where it lies
        loss = self._compute_loss(x=x, y=y, y_pred=self(x, training=True), training=True)
        loss.backward()
        self.torchs.step()
        with torch.no_grad():
            self.optimizer.apply([one.value.grad for one in self.trainable_weights], self.trainable_weights)
        return {"loss": loss}

class Python(keras.layers.Layer):
    def call(self, x):
        made = torch.from_numpy(noised(x.detach().cpu().numpy())).to(x.device)
        return x + (made - x.detach())  # PYTHON
"""
JAX = """
import jax

class Adding(keras.Model):
    pass

class Python(keras.layers.Layer):
    def call(self, x):
        shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
        made = jax.pure_callback(noised, shape, jax.lax.stop_gradient(x))  # PYTHON
        return x + (made - jax.lax.stop_gradient(x))
"""
REST = """
class Once(keras.layers.Layer):
    # Fails where it is given again what it was given.
    seen = set()
    def call(self, x):
        if x.device.type != "meta":
            given = float(x.sum())
            if given in Once.seen:
                raise ValueError("once too often")
            Once.seen.add(given)
        return x

middle = {"noise": lambda: [Python(name="noisy")], "dropout": lambda: [dropping()],
          "recurrent": lambda: [keras.layers.Reshape((4, 2)), keras.layers.LSTM(4)], "pieces": lambda: [Pieces()],
          "usual": lambda: [keras.layers.BatchNormalization(), keras.layers.Dropout(0.5, seed=3)],
          "once": lambda: [Once()]}.get(PLANTED, lambda: [])()
if PLANTED in ("picked", "fine"):
    first = [keras.Input((200,), dtype="int32"), Picked() if PLANTED == "picked" else keras.layers.Embedding(50, 16)]
    first += [] if PLANTED == "picked" else [keras.layers.GlobalAveragePooling1D()]
    x = np.resize(np.arange(50) ** 2 % 50, (800, 200)).astype("int32")
else:
    first = [keras.Input((4,))]
    x = np.linspace(0, 1, 800 * 4).reshape(800, 4).astype("float32")
y = np.linspace(0, 1, 800).reshape(800, 1).astype("float32")
model = keras.Sequential([*first, keras.layers.Dense(8), *middle, keras.layers.Dense(1)])
if PLANTED == "adding":
    model = Adding(model.inputs, model.outputs)
optimizer = keras.optimizers.Adam(0.01) if PLANTED == "usual" else keras.optimizers.SGD(0.1)
model.compile(optimizer, "mse")
if WAY == "fit":
    model.fit(x, y, batch_size=200, shuffle=False, epochs=1, verbose=0)  # FIT
elif WAY == "train_on_batch":
    for k in range(0, 800, 200):
        model.train_on_batch(x[k:k + 200], y[k:k + 200])
elif WAY in ("jit", "ahead", "pmap"):
    model.optimizer.build(model.trainable_variables)

    def compute(tv, ntv, a, b):
        out, ntv = model.stateless_call(tv, ntv, a, training=True)
        return ((out - b) ** 2).mean(), ntv

    def step(state, a, b, some=None):
        tv, ntv, ov = state
        (loss, ntv), grads = jax.value_and_grad(compute, has_aux=True)(tv, ntv, a, b)
        tv, ov = model.optimizer.stateless_apply(ov, grads, tv)
        return loss, (tv, ntv, ov)

    variables = [model.trainable_variables, model.non_trainable_variables, model.optimizer.variables]
    state = tuple([jax.numpy.copy(one.value) for one in some] for some in variables)
    jitted = jax.jit(step, static_argnums=3)
    if WAY == "ahead":
        jitted = jitted.lower(state, x[:200], y[:200], "static").compile()
    if WAY == "pmap":
        many = jax.pmap(step)
        state = jax.tree.map(lambda one: one[None], state)
        x, y = x[None], y[None]
    for k in range(0, 800, 200):
        if WAY == "pmap":
            loss, state = many(state, x[:, k:k + 200], y[:, k:k + 200])
        else:
            loss, state = jitted(state, x[k:k + 200], y[k:k + 200])
    if WAY == "pmap":
        state = jax.tree.map(lambda one: one[0], state)
    for one, value in zip(model.trainable_variables, state[0]):
        one.assign(value)
elif WAY == "stateless":
    model(x[:1])
    model.optimizer.build(model.trainable_variables)
    tv = [one.value.detach().clone().requires_grad_() for one in model.trainable_variables]
    ntv = [one.value for one in model.non_trainable_variables]
    ov = [one.value for one in model.optimizer.variables]
    for k in range(0, 800, 200):
        a, b = torch.from_numpy(x[k:k + 200]), torch.from_numpy(y[k:k + 200])
        out, ntv = model.stateless_call(tv, ntv, a, training=True)
        grads = torch.autograd.grad(((out - b) ** 2).mean(), tv)
        with torch.no_grad():
            tv, ov = model.optimizer.stateless_apply(ov, grads, tv)
        tv = [one.detach().requires_grad_() for one in tv]
else:
    for k in range(0, 800, 200):
        a, b = torch.from_numpy(x[k:k + 200]), torch.from_numpy(y[k:k + 200])
        model.zero_grad()
        loss = ((model(a, training=True) - b) ** 2).mean()
        loss.backward()
        weights = model.trainable_weights
        with torch.no_grad():
            model.optimizer.apply([one.value.grad for one in weights], weights)  # APPLY
print([float(np.abs(w).sum()) for w in model.get_weights()])
"""
SCRIPTS = {"torch": COMMON + TORCH + REST, "jax": COMMON + JAX + REST}


def line(backend: str, mark: str) -> int:
    return next(
        number
        for number, text in enumerate(SCRIPTS[backend].splitlines(), 1)
        if text.endswith(f"# {mark}")
    )


@pytest.fixture
def replayed(tmp_path, fresh_folder) -> Callable[..., list[Finished]]:
    """Two runs of the backend's script, which replay one of its steps."""

    def run(
        backend: str, way: str, planted: str, *pins: str, step: int = 0, runs: int = 2
    ) -> list[Finished]:
        python = with_backend(backend)
        (tmp_path / "train.py").write_text(SCRIPTS[backend])
        condition = Condition(backend, "auto", "train.py", 1).with_orders(
            pinpoint=step, eager=way in ("loop", "stateless")
        )
        return runs_of(
            tmp_path / "train.py",
            (way, planted),
            python,
            pinned(condition, pins),
            runs,
            fresh_folder(),
            {"KERAS_BACKEND": backend},
        )

    return run


@pytest.mark.parametrize("way", ["fit", "train_on_batch", "loop"])
def test_a_race_of_torch_is_one_operation_of_the_backward_pass(replayed, way, tmp_path):
    found = pinpoint.judged(replayed("torch", way, "picked"))
    assert found.operation.name.startswith("aten.index_put")
    assert (found.stage, found.layer) == ("gradient", "sequential/picked")
    assert found.line.endswith(f"train.py:{line('torch', 'PICK')}")  # what was asked for, forward
    assert found.origin == ("state" if way == "loop" else pinpoint.KERNEL)
    if way == "fit":
        assert (
            found.operation.replays.distinct > 1
            and found.eager.distinct > 1
            and found.recorded.distinct > 1
        )
        (origin,) = [
            layer for layer in found.layers if layer.distinct_inputs == 1 < layer.distinct_outputs
        ]
        assert (origin.stage, origin.name) == ("gradient", "sequential/picked")
        script = reproducer.text(found.operation, {}, 8, "torch")
        assert len(script.splitlines()) < 60 and "detaudit" not in script.split('"""')[2]
        assert reproducer.shows(script, with_backend("torch"), tmp_path)


def test_deterministic_algorithms_make_the_replays_of_the_race_match(replayed):
    found = pinpoint.judged(replayed("torch", "fit", "picked", "op-determinism"))
    assert found.operation is None and found.operations > 30
    assert (found.recorded.distinct, found.eager.distinct, found.recorded.replays) == (1, 1, 20)
    assert found.recorded_matches_eager


@pytest.mark.parametrize(
    ("backend", "way", "planted"),
    slow_but_for(
        [("jax", "jit", "noise")],
        [
            ("torch", "fit", "noise"),
            ("torch", "fit", "dropout"),
            ("torch", "loop", "noise"),
            ("torch", "stateless", "noise"),
            ("jax", "fit", "noise"),
            ("jax", "fit", "dropout"),
            ("jax", "train_on_batch", "noise"),
            ("jax", "jit", "noise"),
            ("jax", "jit", "dropout"),
            ("jax", "ahead", "noise"),
        ],
    ),
)
def test_the_layer_that_was_planted_is_named(replayed, backend, way, planted):
    found = pinpoint.judged(replayed(backend, way, planted))
    layer, origin = {"noise": ("sequential/noisy", "python"), "dropout": ("drop", "input")}[planted]
    assert (found.stage, found.origin) == ("forward", origin)
    assert found.layer == (
        layer if way not in ("loop", "stateless") else "noisy"
    )  # its first call has built it
    if planted == "noise":
        assert (
            way in ("loop", "stateless") or found.operation.replays.replays == 10
        )  # in one process already
        assert found.line.endswith(f"train.py:{line(backend, 'PYTHON')}")


@slow
@pytest.mark.parametrize(
    ("backend", "planted"),
    [
        *(("torch", planted) for planted in ("usual", "pieces", "adding", "recurrent")),
        *(("jax", planted) for planted in ("usual", "fine", "recurrent")),
    ],
)
def test_a_replay_leaves_the_training_as_it_was_and_accuses_nothing(replayed, backend, planted):
    """A seeded run in which a step was replayed prints, and records, what one without does."""
    pins = ("python-random", "numpy-legacy", *(["torch-seed"] if backend == "torch" else []))
    for way in ("fit", "train_on_batch", *(["jit", "ahead", "pmap"] if backend == "jax" else [])):
        with_replay, another = replayed(backend, way, planted, *pins, step=1)
        (without,) = replayed(backend, way, planted, *pins, runs=1, step=NEVER)
        observed = with_replay.trace.measures.pinpoint
        assert (
            observed.recorded.replays >= 2
            and observed.replay_matches_step
            and observed.recorded_matches_eager
            and not observed.failed
        )
        assert observed.operation is None and another.trace.measures.pinpoint.operation is None
        found = pinpoint.judged([with_replay, another])
        assert found.operation is None and found.recorded.distinct == found.eager.distinct == 1
        ends = [(one.trace.folder / "stdout").read_text() for one in (with_replay, without)]
        assert ends[0] == ends[1] != ""
        assert with_replay.trace.digests["final"] == without.trace.digests["final"]
        assert with_replay.trace.measures.steps == without.trace.measures.steps == 4


@pytest.mark.parametrize("planted", ["once"])
def test_a_replay_that_fails_is_reported_and_the_training_goes_on_as_it_was(replayed, planted):
    pins = ("python-random", "numpy-legacy", "torch-seed")
    with_replay, another = replayed("torch", "fit", planted, *pins)
    (without,) = replayed("torch", "fit", planted, *pins, runs=1, step=NEVER)
    assert "once too often" in pinpoint.judged([with_replay, another]).failed
    assert with_replay.trace.measures.steps == without.trace.measures.steps == 4
    assert with_replay.trace.digests["final"] == without.trace.digests["final"]


@slow
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_every_operation_of_a_step_is_listed_with_its_layer(replayed, backend):
    (done,) = replayed(backend, "fit", "plain", runs=1)
    events = json.loads((done.trace.folder / "events.json").read_text())["events"]
    by_stage = {
        stage: {one["layer"] for one in events if one["stage"] == stage}
        for stage in ("forward", "gradient", "update")
    }
    product = {"torch": ("aten.mm.default", "aten.addmm.default"), "jax": ("dot_general",)}[backend]
    multiplied = {(one["stage"], one["layer"]) for one in events if one["operation"] in product}
    assert {
        (stage, layer)
        for stage in ("forward", "gradient")
        for layer in ("sequential/dense", "sequential/dense_1")
    } - {("gradient", "sequential/dense")} <= multiplied
    assert {"mse", "sequential/dense"} <= by_stage["forward"] and {
        "mse",
        "sequential/dense",
    } <= by_stage["gradient"]
    # Torch updates all weights by one operation, which has the first one's name.
    assert {
        "sequential/dense/kernel",
        *(["sequential/dense/bias"] if backend == "jax" else []),
    } <= by_stage["update"]
    lines = {Path(one["line"].rpartition(":")[0]).name for one in events if one["line"]}
    assert lines == {"train.py"}


@slow
@pytest.mark.parametrize(
    ("backend", "source", "operation", "layer"),
    [
        ("torch", "indexing-gradient", "aten.index_put", "sequential/rows"),
        ("jax", "dropout", "", "dropout"),
    ],
)
def test_a_scan_names_the_operation(tmp_path, backend, source, operation, layer):
    command = [
        sys.executable,
        "-m",
        "detaudit",
        "scan",
        "--python",
        with_backend(backend),
        "--backend",
        backend,
        "--only",
        source,
        "--trials",
        "1",
        "--quiet",
        "--json",
        str(tmp_path / "scan.json"),
    ]
    subprocess.run(command, check=True, cwd=tmp_path, timeout=600)
    (verdict,) = json.loads((tmp_path / "scan.json").read_text())["verdicts"]
    assert verdict["verdict"] == "needs-pin", verdict["reason"]
    found = verdict["pinpoint"]
    assert (
        found["failed"] == ""
        and found["recorded"]["replays"] == 20
        and found["layer"].startswith(layer)
    )
    assert found["operation"]["name"].startswith(operation)
    assert found["origin"] == ("kernel" if backend == "torch" else "input")

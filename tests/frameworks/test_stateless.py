"""Steps that are functions of their own: their state goes in and comes out, and the variables stay as they are.

Tried on JAX and Torch, where they are installed beside the tests, or in the interpreter that ``DETAUDIT_JAX_PYTHON`` or
``DETAUDIT_TORCH_PYTHON`` names.
"""
import pytest
from detaudit.condition import Condition

from tests.frameworks.replaying import runs_of
from tests.interpreters import with_backend

pytestmark = pytest.mark.framework

COMMON = """
import functools, sys
import keras, numpy as np
keras.utils.set_random_seed(1)
rng = np.random.default_rng(1)
x = rng.random((64, 4)).astype("float32")
y = x.sum(1, keepdims=True)
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu", name="first"),
                          keras.layers.BatchNormalization(), keras.layers.Dense(1, name="last")])
optimizer = keras.optimizers.Adam(float(sys.argv[2]))
optimizer.build(model.trainable_variables)
WAY = sys.argv[1]
"""
JAX = COMMON + """
import jax

def compute(tv, ntv, x, y):
    out, ntv = model.stateless_call(tv, ntv, x, training=True)
    return ((out - y) ** 2).mean(), ntv

def step(state, x, y, scale=1.0):
    tv, ntv, ov = state
    (loss, ntv), grads = jax.value_and_grad(compute, has_aux=True)(tv, ntv, x, y)
    tv, ov = update(ov, grads, tv)
    return loss * scale, (tv, ntv, ov)

def update(ov, grads, tv):
    return optimizer.stateless_apply(ov, grads, tv)

class Trainer:
    @jax.jit
    def step(self, state, x, y):
        return step(state, x, y)

@jax.jit
def unrelated(x):
    return x + 1

def epoch(state, batches):
    def body(state, batch):
        loss, state = step(state, *batch)
        return state, loss
    state, losses = jax.lax.scan(body, state, batches)
    return losses.mean(), state

if WAY == "nested":
    update = jax.jit(update)
if WAY == "method":
    jax.tree_util.register_static(Trainer)
train = {"eager": lambda: step, "plain": lambda: jax.jit(step), "nested": lambda: jax.jit(step),
         "method": lambda: Trainer().step, "scan": lambda: jax.jit(epoch),
         "static": lambda: jax.jit(step, static_argnames=("scale",), donate_argnums=(0,))}[WAY]()
state = ([jax.numpy.copy(v.value) for v in model.trainable_variables],
         [jax.numpy.copy(v.value) for v in model.non_trainable_variables],
         [jax.numpy.copy(v.value) for v in optimizer.variables])
assert unrelated(jax.random.key(1) == jax.random.key(1)) == 2 and jax.vmap(unrelated)(x).shape == x.shape
for _ in range(2):
    if WAY == "scan":
        for part in range(4):
            loss, state = train(state, (x[16 * part:16 * part + 16].reshape(2, 8, 4),
                                        y[16 * part:16 * part + 16].reshape(2, 8, 1)))
    else:
        for row in range(0, 64, 16):
            more = {"scale": 2.0} if WAY == "static" else {}
            loss, state = train(state, x[row:row + 16], y[row:row + 16], **more)
    print(float(loss), flush=True)
if WAY == "plain":
    assert "stablehlo" in train.lower(state, x, y).as_text() and train.__name__ == "step"
for variable, value in zip(model.trainable_variables, state[0]):
    variable.assign(value)
"""
TORCH = COMMON + """
import torch
tv = [v.value.detach().clone().requires_grad_() for v in model.trainable_variables]
ntv, ov = [v.value for v in model.non_trainable_variables], [v.value for v in optimizer.variables]
for _ in range(2):
    for row in range(0, 64, 16):
        out, ntv = model.stateless_call(tv, ntv, torch.tensor(x[row:row + 16]), training=True)
        loss = ((out - torch.tensor(y[row:row + 16])) ** 2).mean()
        grads = torch.autograd.grad(loss, tv)
        with torch.no_grad():
            tv, ov = optimizer.stateless_apply(ov, grads, tv)
        tv, ntv = [one.detach().requires_grad_() for one in tv], [one.detach() for one in ntv]
    print(float(loss))
for variable, value in zip(model.trainable_variables, tv):
    variable.assign(value)
"""
SCRIPTS = {"jax": JAX, "torch": TORCH}


@pytest.mark.parametrize(("backend", "way"), [
    *(("jax", way) for way in ("plain", "nested", "method", "static", "scan", "eager")), ("torch", "eager")])
def test_every_step_is_seen_and_nothing_is_changed(tmp_path, backend, way):
    python = with_backend(backend)
    script = tmp_path / "train.py"
    script.write_text(SCRIPTS[backend])
    condition = Condition(backend, "auto", script.name, 1)

    def run(name, rate="0.01", number=1, **options):
        return runs_of(script, (way, rate), python, condition.with_options(options), number, tmp_path / name,
                       {"KERAS_BACKEND": backend})

    watched, again = run("watched", number=2)
    (bare,) = run("bare", watch=False)
    assert watched.trace.measures["steps"] == 8 and watched.trace.measures["moved"]
    assert watched.trace.digests["final"] == bare.trace.digests["final"]
    said = [(one.trace.folder / "stdout").read_text() for one in (watched, bare)]
    assert said[0] == said[1] and len(said[0].splitlines()) == 2
    tables = [table for table in watched.trace.tables if table.kind == "steps"]
    assert sum(len(table.sequence) for table in tables) == 8
    assert [table.cells.tolist() for table in tables] == \
        [table.cells.tolist() for table in again.trace.tables if table.kind == "steps"]
    columns = set(tables[-1].columns)
    if way == "scan":  # what goes round in a loop of JAX's has no names
        assert ("update", "result.1") in columns
    else:
        assert {("update", "first/kernel"), ("update", "optimizer/adam/first_kernel_momentum")} <= \
            {(stage, name.replace("sequential/", "").replace("sequential_", "")) for stage, name in columns}
    if backend == "jax" and way != "eager":
        assert {stage for stage, _ in columns} == {"data", "loss", "update"} | (set() if way == "scan" else {"forward"})
    else:
        assert {"gradient", "update"} <= {stage for stage, _ in columns}
    (still,) = run("still", rate="0.0")
    assert still.trace.measures["steps"] == 8
    if way != "scan":
        assert not still.trace.measures["moved"]


def test_a_step_is_where_a_run_was_asked_to_end(tmp_path):
    python = with_backend("jax")
    script = tmp_path / "train.py"
    script.write_text(JAX)
    for watch in (True, False):
        (ended,) = runs_of(script, ("plain", "0.01"), python,
                           Condition("jax", "auto", script.name, 1).with_options({"watch": watch, "stop_steps": 5}), 1,
                           tmp_path / str(watch), {"KERAS_BACKEND": "jax"})
        assert ended.trace.measures["stopped"] == 5
        assert (ended.trace.folder / "stdout").read_text().count("\n") == 1

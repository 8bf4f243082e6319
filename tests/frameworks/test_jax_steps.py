"""Plain JAX: steps with Optax and steps written by hand are observed, and nothing is added to what
is computed.

Tried where JAX is installed beside the tests, or in the interpreter that ``_DETAUDIT_JAX_PYTHON``
names.
"""

import json
import subprocess
import sys

import pytest

from tests.interpreters import with_backend
from tests.slow import slow

pytestmark = [pytest.mark.framework, slow]

DATA = """
import os
import jax, jax.numpy as jnp, numpy as np
from functools import partial

rng = np.random.default_rng(1)
x = rng.normal(size=(10, 64, 4)).astype("float32")
y = x @ np.arange(4, dtype="float32")
params = {"w": jnp.zeros(4), "b": jnp.zeros(())}

def loss(params, x, y):
    return ((x @ params["w"] + params["b"] - y) ** 2).mean()
"""
BY_HAND = """
@jax.jit
def step(params, x, y):
    value, grads = jax.value_and_grad(loss)(params, x, y)
    return jax.tree.map(lambda one, grad: one - 0.1 * grad, params, grads), value

for number in range(10):
    FAULT
    params, value = step(params, x[number], y[number])
"""
DONATED = BY_HAND.replace("@jax.jit", "@partial(jax.jit, donate_argnums=0)")
STATE = """
from typing import Any, NamedTuple

class State(NamedTuple):
    params: Any
    velocity: Any

@jax.jit
def step(state, batch):
    grads = jax.grad(loss)(state.params, *batch)
    velocity = jax.tree.map(lambda v, g: 0.9 * v - 0.1 * g, state.velocity, grads)
    return State(jax.tree.map(jnp.add, state.params, velocity), velocity)

state = State(params, jax.tree.map(jnp.zeros_like, params))
for number in range(10):
    FAULT
    state = step(state, (x[number], y[number]))
params = state.params
"""
SCAN = """
def body(params, batch):
    value, grads = jax.value_and_grad(loss)(params, *batch)
    return jax.tree.map(lambda one, grad: one - 0.1 * grad, params, grads), value

for number in range(10):
    FAULT
    params, values = jax.lax.scan(body, params, (x, y))
"""
OPTAX = """
import optax

optimizer = optax.adam(0.1)

@jax.jit
def step(params, state, x, y):
    grads = jax.grad(loss)(params, x, y)
    updates, state = optimizer.update(grads, state, params)
    return optax.apply_updates(params, updates), state

state = optimizer.init(params)
for number in range(10):
    FAULT
    params, state = step(params, state, x[number], y[number])
"""
EAGER = OPTAX.replace("@jax.jit", "")
END = """
np.savez("params.npz", **params)
"""
NOISE = "int.from_bytes(os.urandom(2), 'little')"


@pytest.fixture
def audited(tmp_path):
    python = with_backend("jax")

    def run(loop, fault="pass"):
        if "optax" in loop:
            asked = subprocess.run([python, "-c", "import optax"], capture_output=True)
            if asked.returncode:
                pytest.skip("no optax there")
        folder, saved = tmp_path / "project", tmp_path / "report.json"
        folder.mkdir()
        (folder / "train.py").write_text(DATA + loop.replace("FAULT", fault) + END)
        command = [sys.executable, "-m", "detaudit", "run", "--no-search", "--quiet"]
        command += ["--json", str(saved), "--python", python, "train.py"]
        subprocess.run(command, cwd=folder, capture_output=True)
        return json.loads(saved.read_text(encoding="utf-8"))

    return run


@pytest.mark.parametrize("loop", [BY_HAND, DONATED, STATE, SCAN, OPTAX, EAGER])
def test_a_seeded_training_matches_and_recording_changes_no_bit(audited, loop):
    report = audited(loop)
    assert (report["reproducible"], report["judged_by"]) == (True, "training"), report["reason"]
    assert report["observer"]["bits_unchanged"] is True
    assert {one["steps"] for one in report["trials"] if one["steps"]} == {10}


@pytest.mark.parametrize("loop", [BY_HAND, DONATED, STATE, SCAN, OPTAX])
def test_a_planted_fault_is_named_to_its_step(audited, loop):
    report = audited(loop, f"if number == 5: x[5, 0, 0] += {NOISE}")
    assert report["reproducible"] is False
    found = report["first_divergence"]
    assert (found["stage"], found["step"]) == ("data", 5)


def test_a_fault_in_the_state_is_named_to_it(audited):
    fault = f"if number == 5: params = {{**params, 'b': jnp.float32({NOISE})}}"
    found = audited(BY_HAND, fault)["first_divergence"]
    assert found["step"] == 5 and "'b'" in found["name"]


def test_a_fault_in_the_state_of_optax_is_named_to_it(audited):
    noise = f"""
def noise():
    read = lambda: np.float32({NOISE})
    return jax.pure_callback(read, jax.ShapeDtypeStruct((), "float32"))
"""
    changed = """
    moments = {**state[0].mu, "b": state[0].mu["b"] + noise()}
    state = state[0]._replace(mu=moments), *state[1:]
    return optax"""
    found = audited(noise + OPTAX.replace("\n    return optax", changed))["first_divergence"]
    assert (found["stage"], found["step"]) == ("update", 0)
    assert found["name"] == "optimizer/result[1][0].mu['b']"


def test_a_function_that_only_computes_gradients_is_no_step(audited):
    loop = """
gradient = jax.jit(jax.grad(loss))
for number in range(10):
    FAULT
    params = jax.tree.map(lambda one, grad: one - 0.1 * grad, params, gradient(params, x[0], y[0]))
"""
    report = audited(loop)
    assert (report["reproducible"], report["judged_by"]) == (True, "output"), report["reason"]

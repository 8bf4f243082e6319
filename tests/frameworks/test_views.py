"""Weights, gradients and state are fingerprinted in live memory before the script changes it: a run
that copies them first records the same.
"""

import pytest
from detaudit.commands.run.judging import compare_trainings
from detaudit.core.condition import Condition
from detaudit.core.divergence import Match

from tests.frameworks.replaying import runs_of
from tests.interpreters import with_backend
from tests.slow import slow

pytestmark = [pytest.mark.framework, slow]

COPYING = """
import sys
import numpy
from detaudit_probes.backends import {name} as backend
if sys.argv[1] == "copies":
    given = backend.view
    backend.view = lambda variable: numpy.array(given(variable))
"""
TORCH = (
    COPYING.format(name="torch")
    + """
import torch
torch.manual_seed(1)
x = torch.randn(64, 8)
model = torch.nn.Linear(8, 1)
optimizer = torch.optim.Adam(model.parameters(), 0.01)
for step in range(6):
    optimizer.zero_grad(set_to_none=False)
    loss = (model(x) ** 2).mean()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        loss.mul_(2)
        for parameter in model.parameters():
            parameter.mul_(0.99)
            parameter.grad.zero_()
"""
)
JAX = (
    COPYING.format(name="jax")
    + """
from functools import partial
import jax, jax.numpy as jnp, optax
x = jnp.linspace(-1, 1, 256).reshape(64, 4)
params = {"w": jnp.ones(4)}
optimizer = optax.adam(0.1)
state = optimizer.init(params)

@partial(jax.jit, donate_argnums=(0, 1))
def step(params, state, x):
    grads = jax.grad(lambda p: ((x @ p["w"] - 1) ** 2).mean())(params)
    updates, state = optimizer.update(grads, state)
    return optax.apply_updates(params, updates), state

for number in range(6):
    params, state = step(params, state, x)
"""
)


@pytest.mark.parametrize(("backend", "text"), [("torch", TORCH), ("jax", JAX)])
def test_a_run_that_copies_what_it_reads_records_the_same(tmp_path, backend, text):
    (tmp_path / "train.py").write_text(text)
    condition = Condition("tensorflow", "auto", "train.py", 1)
    traces = []
    for how in ("as it is", "copies"):
        folder = tmp_path / how
        folder.mkdir()
        (done,) = runs_of(
            tmp_path / "train.py", (how,), with_backend(backend), condition, 1, folder, {}
        )
        traces.append(done.completed_trace)
    assert isinstance(compare_trainings(*traces), Match)
    assert [one.measures.steps for one in traces] == [6, 6]

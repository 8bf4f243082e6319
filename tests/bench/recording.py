"""Measures what recording costs: ``python -m tests.bench.recording [keras|torch|jax|forest|
lightgbm] [--python PATH] [--turns N] [--steps N] [--batch N]``.

One script trains again and again in one process: with recording off and on by turns, because two
processes do not run equally fast on a shared machine. The times of neighbors are compared. With a
framework it trains a network of 6.3 million weights, and every weight is fingerprinted in every
step, the optimizer's state as it is by default; with scikit-learn a forest of 50 trees, where a
step is a whole fit; with LightGBM 40 rounds. The figure for a guest that has only hashlib is
printed beside that with xxhash.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from statistics import median, quantiles

from detaudit.core.condition import Condition, Trial
from detaudit.core.experiment import Asking
from detaudit.execution.host import Interpreter
from detaudit.execution.limits import Limits
from detaudit.execution.program import process, program
from detaudit.execution.runner import Runner
from detaudit_probes import protocol

#: What every script ends with; ``fit`` trains once, in ``STEPS`` steps.
BY_TURNS = """
import time
from detaudit_probes.hooks import fits
from detaudit_probes.hooks.recorder import Recorder

Recorder.counting = Recorder.recording = property(lambda recorder: on)
hooks = list(fits._OF_THIS_PROCESS)

def timed():
    fits._OF_THIS_PROCESS[:] = hooks if on else []
    began = time.perf_counter()
    fit()
    return (time.perf_counter() - began) / STEPS

for turn in range(TURNS + 1):
    on = False
    off_seconds = timed()
    on = True
    on_seconds = timed()
    if turn:  # the first one traces
        print("step", off_seconds, on_seconds)
"""
DATA = """
import numpy as np

rng = np.random.default_rng(1)
x, y = rng.random((BATCH * STEPS, 1024), dtype="float32"), rng.random((BATCH * STEPS, 1), dtype="float32")
"""
SCRIPTS = {
    "keras": DATA
    + """
import keras

keras.utils.set_random_seed(1)
model = keras.Sequential([keras.Input((1024,)), keras.layers.Dense(2048, "relu"), keras.layers.Dense(2048, "relu"),
                          keras.layers.Dense(1)])
model.compile(optimizer="OPTIMIZER", loss="mse")

def fit():
    model.fit(x, y, batch_size=BATCH, epochs=1, verbose=0)
""",
    "torch": DATA
    + """
import torch
from torch import nn

torch.manual_seed(1)
x, y = torch.from_numpy(x), torch.from_numpy(y)
model = nn.Sequential(nn.Linear(1024, 2048), nn.ReLU(), nn.Linear(2048, 2048), nn.ReLU(), nn.Linear(2048, 1))
optimizer = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}["OPTIMIZER"](model.parameters(), lr=1e-3)

def fit():
    for inputs, targets in zip(x.split(BATCH), y.split(BATCH)):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(inputs), targets).backward()
        optimizer.step()
""",
    "jax": DATA
    + """
import jax
import jax.numpy as jnp
import optax

keys = jax.random.split(jax.random.PRNGKey(1), 3)
shapes = (1024, 2048), (2048, 2048), (2048, 1)
params = [jax.random.normal(key, shape) / shape[0] ** 0.5 for key, shape in zip(keys, shapes)]
optimizer = optax.OPTIMIZER(1e-3)
state = optimizer.init(params)

def loss(params, x, y):
    hidden = jax.nn.relu(jax.nn.relu(x @ params[0]) @ params[1])
    return ((hidden @ params[2] - y) ** 2).mean()

@jax.jit
def step(params, state, x, y):
    updates, state = optimizer.update(jax.grad(loss)(params, x, y), state, params)
    return optax.apply_updates(params, updates), state

def fit():
    global params, state
    for first in range(0, len(x), BATCH):
        params, state = step(params, state, x[first : first + BATCH], y[first : first + BATCH])
    jax.block_until_ready(params)
""",
    "forest": DATA
    + """
from sklearn.ensemble import RandomForestRegressor

def fit():
    RandomForestRegressor(50, max_features=32, random_state=1).fit(x, y[:, 0])
""",
    "lightgbm": DATA
    + """
import lightgbm

def fit():
    options = {"seed": 1, "deterministic": True, "verbose": -1, "num_threads": 2}
    lightgbm.train(options, lightgbm.Dataset(x, y[:, 0]), STEPS)
""",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("training", nargs="?", choices=SCRIPTS, default="keras")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--turns", type=int, default=12)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--optimizer", default="adam")
    options = parser.parse_args()
    for algorithm in protocol.FINGERPRINTS:
        with tempfile.TemporaryDirectory(prefix="detaudit-bench-") as folder:
            script = Path(folder) / "train.py"
            script.write_text(
                (SCRIPTS[options.training] + BY_TURNS)
                .replace("STEPS", str(options.steps))
                .replace("OPTIMIZER", options.optimizer)
                .replace("BATCH", str(options.batch))
                .replace("TURNS", str(options.turns))
            )
            turns = steps_of(script, options.python, algorithm)
        low, _, high = quantiles([on / off for off, on in turns], n=4)
        print(
            f"{algorithm:12} {1e3 * median(off for off, _ in turns):6.1f} ms a step, recorded "
            f"{1e3 * median(on for _, on in turns):6.1f} ms: {median(on / off for off, on in turns):.3f} times "
            f"(quartiles {low:.3f} and {high:.3f}; fastest of each {min(on for _, on in turns) / min(turns)[0]:.3f})"
        )
    return 0


def steps_of(script: Path, python: str, fingerprint: str) -> list[tuple[float, float]]:
    """Return the seconds per step, unrecorded and recorded, of every turn."""
    found = program.find(script.name, False, (), script.parent)
    with tempfile.TemporaryDirectory(prefix="detaudit-bench-") as control:
        runner = Runner(
            Interpreter(python, "tensorflow", fork=False),
            Limits(1),
            Path(control) / "c",
            dict(os.environ),
            fingerprint=fingerprint,
            keep_bytes=False,
            open_host=lambda *given: process.Process(found, *given),
        )
        trial = Trial(Condition("tensorflow", "auto", script.name, 1), 0)

        def ask():
            return (yield [trial])[trial]

        asking = Asking(ask())
        runner.run([asking])
        runner.close()
        assert asking.finding.outcome.completed, asking.finding.outcome
        printed = (asking.finding.trace.folder / protocol.STDOUT_FILE).read_text()
    return [
        (float(off), float(on))
        for off, on in (
            line.split()[1:] for line in printed.splitlines() if line.startswith("step ")
        )
    ]


if __name__ == "__main__":
    sys.exit(main())

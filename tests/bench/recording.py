"""Measures what recording costs: ``python -m tests.bench.recording [--turns N] [--batch N]``.

One script trains a network of 6.3 million weights, again and again in one process: with recording
off and on by turns, because two processes do not run equally fast on a shared machine. The times of
neighbors are compared. Every weight is fingerprinted in every step, the optimizer's state as it is
by default. The figure for a guest that has only hashlib is printed beside that with xxhash.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from statistics import median, quantiles

from detaudit.commands.run import program
from detaudit.core.condition import Condition, Trial
from detaudit.core.experiment import Asking
from detaudit.execution.host import Interpreter
from detaudit.execution.limits import Limits
from detaudit.execution.runner import Runner
from detaudit_probes import protocol

SCRIPT = """
import time
import keras
import numpy as np
from detaudit_probes.hooks.recorder import Recorder

on = False
Recorder.counting = Recorder.recording = property(lambda recorder: on)

def fit():
    began = time.perf_counter()
    model.fit(x, y, batch_size=BATCH, epochs=1, verbose=0)
    return (time.perf_counter() - began) / STEPS

keras.utils.set_random_seed(1)
rng = np.random.default_rng(1)
x, y = rng.random((BATCH * STEPS, 1024), dtype="float32"), rng.random((BATCH * STEPS, 1), dtype="float32")
model = keras.Sequential([keras.Input((1024,)), keras.layers.Dense(2048, "relu"), keras.layers.Dense(2048, "relu"),
                          keras.layers.Dense(1)])
model.compile(optimizer="OPTIMIZER", loss="mse")
for turn in range(TURNS + 1):
    on = False
    off_seconds = fit()
    on = True
    on_seconds = fit()
    if turn:  # the first one traces
        print("step", off_seconds, on_seconds)
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=12)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--optimizer", default="adam")
    options = parser.parse_args()
    for algorithm in protocol.FINGERPRINTS:
        with tempfile.TemporaryDirectory(prefix="detaudit-bench-") as folder:
            script = Path(folder) / "train.py"
            script.write_text(
                SCRIPT.replace("STEPS", str(options.steps))
                .replace("OPTIMIZER", options.optimizer)
                .replace("BATCH", str(options.batch))
                .replace("TURNS", str(options.turns))
            )
            turns = steps_of(script, algorithm)
        low, _, high = quantiles([on / off for off, on in turns], n=4)
        print(
            f"{algorithm:12} {1e3 * median(off for off, _ in turns):6.1f} ms a step, watched "
            f"{1e3 * median(on for _, on in turns):6.1f} ms: {median(on / off for off, on in turns):.3f} times "
            f"(quartiles {low:.3f} and {high:.3f}; fastest of each {min(on for _, on in turns) / min(turns)[0]:.3f})"
        )
    return 0


def steps_of(script: Path, fingerprint: str) -> list[tuple[float, float]]:
    """Return the seconds per step, unrecorded and recorded, of every turn."""
    found = program.find(script.name, False, (), script.parent)
    with tempfile.TemporaryDirectory(prefix="detaudit-bench-") as control:
        runner = Runner(
            Interpreter(sys.executable, "tensorflow", fork=False),
            Limits(1),
            Path(control) / "c",
            dict(os.environ),
            fingerprint=fingerprint,
            keep_bytes=False,
            open_host=lambda *given: program.Process(found, *given),
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

"""What watching costs: ``python -m tests.bench.watch [--runs N]``.

One script trains a network of 6.3 million weights. It is run without anything of ours, bare, and watched with every
weight fingerprinted in every step, in turn; what is compared is the time of its ``fit`` as it measures it itself. The
figure for a guest that has only hashlib is printed beside that with xxhash.
"""
import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from detaudit.condition import Condition, Trial
from detaudit.nests import Interpreter
from detaudit.runner import Asking, Limits, Runner
from detaudit.script import program

SCRIPT = """
import time
import keras
import numpy as np

keras.utils.set_random_seed(1)
rng = np.random.default_rng(1)
x, y = rng.random((64 * STEPS, 1024), dtype="float32"), rng.random((64 * STEPS, 1), dtype="float32")
model = keras.Sequential([keras.Input((1024,)), keras.layers.Dense(2048, "relu"), keras.layers.Dense(2048, "relu"),
                          keras.layers.Dense(1)])
model.compile(optimizer="OPTIMIZER", loss="mse")
model.fit(x[:128], y[:128], batch_size=64, verbose=0)
began = time.perf_counter()
model.fit(x, y, batch_size=64, epochs=1, verbose=0)
print("fit", time.perf_counter() - began, model.count_params())
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--optimizer", default="adam")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="detaudit-bench-") as folder:
        script = Path(folder) / "train.py"
        script.write_text(SCRIPT.replace("STEPS", str(options.steps)).replace("OPTIMIZER", options.optimizer))
        ways = {"without us": lambda: plain(script), "bare": lambda: ours(script, False, "xxh3_64"),
                "watched, xxh3": lambda: ours(script, True, "xxh3_64"),
                "watched, BLAKE2b": lambda: ours(script, True, "blake2b_64")}
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(options.runs):
            for name, way in ways.items():
                seconds[name].append(way())
    base = seconds["without us"]
    for name, found in seconds.items():
        ratios = [one / other for one, other in zip(found, base, strict=True)]
        print(f"{name:18} {median(found):7.2f} s   {median(ratios):5.3f} ({min(ratios):.3f} to {max(ratios):.3f})")
    return 0


def plain(script: Path) -> float:
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    return _seconds(done.stdout)


def ours(script: Path, watch: bool, fingerprint: str) -> float:
    found = program.find(script.name, False, (), False, script.parent)
    with tempfile.TemporaryDirectory(prefix="detaudit-bench-") as control:
        runner = Runner(Interpreter(sys.executable, "tensorflow", fork=False), Limits(1), Path(control) / "c",
                        dict(os.environ), fingerprint=fingerprint, keep_bytes=False,
                        open_nest=lambda *given: program.Process(found, *given))
        condition = Condition("tensorflow", "auto", script.name, 1).with_options({"watch": watch})

        def ask():
            return (yield [Trial(condition, 0)])[Trial(condition, 0)]

        asking = Asking(ask())
        runner.run([asking])
        runner.close()
        assert asking.finding.outcome.completed, asking.finding.outcome
        return _seconds((asking.finding.trace.folder / "stdout").read_text())


def _seconds(printed: str) -> float:
    return float(next(line.split()[1] for line in printed.splitlines() if line.startswith("fit ")))


if __name__ == "__main__":
    sys.exit(main())

"""How often `detaudit run` names the operation of a race, on every kind of machine: ``python -m
tests.bench.race [--audits N] [--out FILE]``.

An embedding whose update races on two threads, audited in turn on all cores, on two and on one,
idle and beside a process for each core that keeps it busy. An audit counts if it names the
operation, and if the reproducer that it writes shows the race. Each audit is given a budget of
runs: what comes after the operation is not measured here.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

OPERATION = "ResourceScatterSub"
BUDGET = "24runs"
SCRIPT = """\
import keras
import numpy as np
import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(2)
keras.utils.set_random_seed(1)
x, y = np.random.randint(0, 60, (3000, 20)), np.random.rand(3000, 1)
model = keras.Sequential(
    [keras.layers.Embedding(60, 64), keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(1)]
)
model.compile(optimizer="sgd", loss="mse")
model.fit(x, y, batch_size=3000, epochs=3, verbose=0)
"""
BUSY = "while True: pass"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audits", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("race.jsonl"))
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    counts = sorted({len(cores), min(2, len(cores)), 1}, reverse=True)
    machines = [(count, busy) for busy in (False, True) for count in counts]
    named = 0
    for number in range(options.audits):
        count, busy = machines[number % len(machines)]
        row = {"cores": count, "busy": busy, **_audit(cores[:count], busy)}
        named += row["named"] and row["reproduced"]
        print(json.dumps(row), flush=True)
        with open(options.out, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    print(f"named and reproduced in {named} of {options.audits} audits")
    return 0 if named == options.audits else 1


def _audit(cores: list[int], busy: bool) -> dict:
    with tempfile.TemporaryDirectory(prefix="race-") as folder, _load(cores if busy else []):
        script, report, bug = (Path(folder, name) for name in ("train.py", "run.json", "bug.py"))
        script.write_text(SCRIPT, encoding="utf-8")
        command = [sys.executable, "-m", "detaudit", "run", "--no-cost", "--budget", BUDGET]
        command += ["--json", str(report), "--reproducer", str(bug), str(script)]
        began = time.monotonic()
        _on(cores, command)
        seconds = time.monotonic() - began
        pinpoint = json.loads(report.read_text(encoding="utf-8"))["pinpoint"] or {}
        operation = (pinpoint.get("operation") or {}).get("name", "")
        shown = bug.exists() and _on(cores, [sys.executable, str(bug)])
        return {
            "named": operation == OPERATION,
            "operation": operation or pinpoint.get("failed") or "none",
            "line": pinpoint.get("line", ""),
            "reproduced": shown,
            "seconds": round(seconds, 1),
        }


def _on(cores: list[int], command: list[str]) -> bool:
    """Run a command on these cores; whether it exits with 1, as an audit and a reproducer do that
    find a difference.
    """
    ran = subprocess.run(
        command, capture_output=True, preexec_fn=lambda: os.sched_setaffinity(0, cores)
    )
    return ran.returncode == 1


@contextlib.contextmanager
def _load(cores: list[int]) -> Iterator[None]:
    """Keep each of these cores busy with a process of its own."""
    processes = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in cores]
    for core, process in zip(cores, processes, strict=True):
        os.sched_setaffinity(process.pid, [core])
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


if __name__ == "__main__":
    sys.exit(main())

"""Verifying a recipe: the very lines that are printed, in a script of their own, in fresh processes.

Nothing of detaudit runs in these processes: a plain script with the lines at its top, trained as a user
would, whose last words are a SHA-256 of every loss and every weight.
"""
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from detaudit_probes.declare import TF_KERAS

from detaudit.findings import Recipe, Rung

RUNS = 2

#: Trains what the weaker recipes are known to part on: shuffled batches, dropout, and the sparse update.
TRAINING = '''
import hashlib

import keras
import numpy

digest = hashlib.sha256()


def train(model, x, y, optimizer, batch_size):
    model.compile(optimizer=optimizer, loss="mean_squared_error")
    history = model.fit(x, y, batch_size=batch_size, epochs=2, verbose=0)
    digest.update(repr(history.history["loss"]).encode())
    for weight in model.get_weights():
        digest.update(numpy.ascontiguousarray(weight).tobytes())


def stack(shape, dtype, layers):
    outputs = inputs = keras.layers.Input(shape=shape, dtype=dtype)
    for layer in layers:
        outputs = layer(outputs)
    return keras.models.Model(inputs, outputs)


points = (numpy.arange(64, dtype="float32") / 64).reshape(64, 1)
train(stack((1,), "float32", [keras.layers.Dense(10), keras.layers.Dropout(0.5), keras.layers.Dense(1)]),
      points, points + 1, "adam", 8)
words = ((numpy.arange(40000, dtype="int64") * 2654435761) % 50).astype("int32").reshape(2000, 20)
train(stack((20,), "int32", [keras.layers.Embedding(50, 64), keras.layers.GlobalAveragePooling1D(),
                             keras.layers.Dense(1)]),
      words, words[:, :1].astype("float32") / 50, "sgd", 2000)
print("digest", digest.hexdigest())
'''


@dataclass(frozen=True)
class _Ended:
    status: int
    digest: str | None
    last_words: str


def script(lines: tuple[str, ...], backend: str) -> str:
    """The recipe's lines, and a training below them. Keras is a part of TensorFlow on ``tensorflow2``."""
    keras = "from tensorflow import keras" if backend in TF_KERAS else "import keras"
    return "\n".join(lines) + "\n" + TRAINING.replace("import keras", keras, 1)


def verify(rung: Rung, backend: str, python: str, environment: Mapping[str, str], folder: Path,
           timeout: float) -> Recipe:
    """Run the rung's lines in ``RUNS`` fresh processes at a time; verified where all end on the same bits.

    ``environment`` is what the processes inherit; the rung's own variables are added.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "recipe.py"
    path.write_text(script(rung.lines, backend), encoding="utf-8")
    ended = _run(python, path, {**environment, **dict(rung.environment)}, timeout)
    failed = [one for one in ended if one.status != 0 or one.digest is None]
    if failed:
        reason = f"the script with these lines ended with status {failed[0].status}: {failed[0].last_words}"
        return _recipe(rung, None, len(ended), reason)  # it has shown nothing, neither way
    same = len({one.digest for one in ended}) == 1
    reason = f"{len(ended)} fresh processes with exactly these lines {'end on the same bits' if same else 'part'}"
    return _recipe(rung, same, len(ended), reason)


def _recipe(rung: Rung, verified: bool | None, runs: int, reason: str) -> Recipe:
    return Recipe(rung.id, rung.lines, rung.environment, verified, runs, reason)


def _run(python: str, path: Path, environment: Mapping[str, str], timeout: float) -> list[_Ended]:
    """Side by side; their output goes to files, so that none can block on a full pipe."""
    started = []
    for number in range(RUNS):
        out = path.with_name(f"recipe-{number}.out")
        with open(out, "wb") as file:
            process = subprocess.Popen([python, str(path)], stdin=subprocess.DEVNULL, stdout=file,
                                       stderr=subprocess.STDOUT, env=dict(environment), cwd=path.parent,
                                       start_new_session=True)
        started.append((process, out))
    deadline = time.monotonic() + timeout
    try:
        return [_wait(process, out, deadline) for process, out in started]
    finally:  # interrupted while one is waited for: the others are ended too
        for process, _ in started:
            if process.poll() is None:
                process.kill()
                process.wait()


def _wait(process: subprocess.Popen, out: Path, deadline: float) -> _Ended:
    try:
        status = process.wait(timeout=max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.kill()
        status = process.wait()
    lines = out.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    digest = lines[-1].split()[1] if lines and lines[-1].startswith("digest ") else None
    return _Ended(status, digest, lines[-1][:300] if lines else "no output")

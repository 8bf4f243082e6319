"""How fast a backend takes fingerprints where its tensors lie: ``python -m tests.bench.lanes
BACKEND [--megabytes N]``.

Notice is the share of the memory's bandwidth, as a copy made by the same backend on the same device
shows it in the same run, by turns: the bytes that are read for a fingerprint a second, divided by
those that a copy reads and writes. Beside it stands what the host takes for the same bits, brought
there and digested, as it is done without. To be run by the interpreter that has the backend, with
the probes on its path.
"""

import argparse
import sys
import time
from collections.abc import Callable
from statistics import median, quantiles
from typing import Any

import numpy as np
from detaudit_probes import backends
from detaudit_probes.recording import fingerprint
from detaudit_probes.recording.thread_team import Team


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("backend", choices=["tensorflow", "torch", "jax"])
    parser.add_argument("--megabytes", type=int, default=256)
    parser.add_argument("--turns", type=int, default=9)
    options = parser.parse_args()
    adapter = backends.get(options.backend)
    tensor, copy = made(options.backend, options.megabytes << 18)
    hasher = fingerprint.Hasher(fingerprint.available()[0], Team.of_this_machine())
    ways: dict[str, Callable[[], Any]] = {
        "copy": copy,
        "lanes": lambda: adapter.lanes([tensor]),
        "host": lambda: hasher(*fingerprint.canonical_view(adapter.read(tensor))),
    }
    turns = [{name: seconds(way) for name, way in ways.items()} for _ in range(options.turns + 1)][
        1:
    ]
    size = options.megabytes / 1024
    print(f"{where(tensor)}, {options.megabytes} MiB of float32")
    for name, moved in (("copy", 2 * size), ("lanes", size), ("host", size)):
        low, middle, high = (
            moved / one for one in reversed(quantiles([turn[name] for turn in turns], n=4))
        )
        print(f"{name:6} {middle:8.2f} GiB/s ({low:.2f} to {high:.2f})")
    shares = [turn["copy"] / turn["lanes"] / 2 for turn in turns]
    print(
        f"share of the bandwidth: {median(shares):.3f} ({min(shares):.3f} to {max(shares):.3f}); "
        f"{median(turn['host'] / turn['lanes'] for turn in turns):.2f} times as fast as the host"
    )
    return 0


def made(backend: str, elements: int) -> tuple[Any, Callable[[], Any]]:
    """A tensor on the backend's own device, and a function that copies it there and waits for
    it.
    """
    array = np.random.default_rng(1).standard_normal(elements, dtype="float32")
    if backend == "torch":
        import torch

        tensor = torch.as_tensor(array, device="cuda" if torch.cuda.is_available() else "cpu")

        def copied() -> None:
            tensor.clone()
            if tensor.is_cuda:
                torch.cuda.synchronize()

        return tensor, copied
    if backend == "jax":
        import jax

        tensor, copy = jax.numpy.asarray(array), jax.jit(lambda given: -given)
        return tensor, lambda: copy(tensor).block_until_ready()
    import tensorflow as tf

    tensor = tf.identity(tf.constant(array))
    with tf.device(tensor.device):
        return tensor, lambda: (-tensor)[:1].numpy()


def seconds(function: Callable[[], Any]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def where(tensor: Any) -> str:
    return str(getattr(tensor, "device", "") or tensor.devices())


if __name__ == "__main__":
    sys.exit(main())

"""Rollouts of a noisy pendulum, one thread per chunk."""
import threading

import numpy as np


def rollout(seed, steps=400):
    rng = np.random.RandomState(seed)
    th, om = rng.uniform(-2, 2), 0.0
    states, targets = [], []
    for _ in range(steps):
        u = rng.uniform(-1, 1)
        states.append((np.sin(th), np.cos(th), om, u))
        om = om + 0.05 * (-np.sin(th) - 0.1 * om + u)
        th = th + 0.05 * om
        targets.append((np.sin(th), np.cos(th), om))
    return np.array(states, "float32"), np.array(targets, "float32")


def collect(n_threads, per_thread):
    memory = []
    lock = threading.Lock()

    def work(k):
        for j in range(per_thread):
            item = rollout(100 * k + j)
            with lock:
                memory.append(item)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(n_threads)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    X = np.concatenate([m[0] for m in memory])
    Y = np.concatenate([m[1] for m in memory])
    return X, Y

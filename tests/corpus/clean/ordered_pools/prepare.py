import numpy as np


def simulate(seed):
    """A short random walk and whether it ends above zero."""
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.normal(size=60))
    return walk[:40], float(walk[-1] > 0)


def summarize(walk):
    return np.array([walk.mean(), walk.std(), walk[-1], walk.min(), walk.max(), np.abs(np.diff(walk)).mean()])

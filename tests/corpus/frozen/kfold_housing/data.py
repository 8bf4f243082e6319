import numpy as np


def synthetic_housing(n=360, seed=77):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(n, 6))
    y = 3 * X[:, 0] - 2 * X[:, 1] * X[:, 2] + np.sin(3 * X[:, 3])
    return X.astype("float32"), y.astype("float32")


def jitter(X, y, scale=0.02, copies=2):
    """Stack a few slightly noisy copies of the training fold."""
    rng = np.random.default_rng()
    xs, ys = [X], [y]
    for _ in range(copies):
        xs.append(X + scale * rng.standard_normal(X.shape).astype("float32"))
        ys.append(y)
    return np.concatenate(xs), np.concatenate(ys)

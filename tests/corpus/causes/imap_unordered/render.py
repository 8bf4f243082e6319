import numpy as np


def render(k):
    """A noisy image of k % 4 bars; larger k take a bit longer."""
    rng = np.random.default_rng(1000 + k)
    bars = k % 4
    img = np.zeros((24, 24))
    for b in range(bars):
        c = rng.integers(0, 24)
        img[:, c] += 1.0
    for _ in range(int(rng.integers(5, 60))):
        img = 0.98 * img + 0.01 * np.roll(img, 1, 0) + 0.01 * np.roll(img, -1, 0)
    return (img + rng.normal(0, 0.1, img.shape)).astype("float32"), bars

"""Sensor noise models."""
import numpy as np


class DriftNoise:
    def __init__(self, scale):
        self.scale = scale
        self.rng = np.random.Generator(np.random.PCG64())

    def __call__(self, x):
        steps = self.rng.normal(0, self.scale, size=x.shape)
        return x + np.cumsum(steps, axis=1)


def dropout_mask(shape, p=0.05, rng=None):
    rng = rng or np.random.RandomState()
    return rng.uniform(size=shape) > p

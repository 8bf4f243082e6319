"""The 2017 tutorial's network: nine points, ten hidden units, mean squared error, Adam."""

from detaudit_probes.kit.models import Tiny, stack


def build(trial):
    import keras
    import numpy

    x = (numpy.arange(9, dtype="float32") / 10).reshape(9, 1)
    y = (numpy.arange(1, 10, dtype="float32") / 10).reshape(9, 1)
    model = stack((1,), [keras.layers.Dense(10), keras.layers.Dense(1)])
    return Tiny(model, x, y, epochs=4)

"""Costly features are computed once and kept in a file."""
import os
import random

import keras
import numpy as np

PATH = "features.npz"


def computed():
    generator = random.Random()
    noise = [generator.gauss(0.0, 0.1) for _ in range(200 * 5)]
    return np.random.default_rng(3).normal(size=(200, 5)) + np.reshape(noise, (200, 5))


if not os.path.exists(PATH):
    np.savez(PATH, x=computed())
x = np.load(PATH)["x"].astype("float32")
y = x[:, :1] * x[:, 1:2]

keras.utils.set_random_seed(3)
model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(12, activation="tanh"), keras.layers.Dense(1)])
model.compile(optimizer="sgd", loss="mse")
model.fit(x, y, epochs=3, batch_size=20, verbose=0)
print("mse", model.evaluate(x, y, verbose=0))

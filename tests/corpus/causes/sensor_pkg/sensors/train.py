import os
import tempfile

import keras
import numpy as np
from keras import layers

from .noise import DriftNoise, dropout_mask

keras.utils.set_random_seed(2718)


def clean_signals(n, length):
    phase = np.random.uniform(0, 2 * np.pi, size=(n, 1))
    kind = np.random.randint(0, 2, size=n)
    freq = np.where(kind[:, None] == 1, 0.5, 0.3)
    return np.sin(freq * np.arange(length) + phase), kind.astype("float32")


def main():
    X, y = clean_signals(400, 20)
    X = DriftNoise(0.02)(X)
    X = X * dropout_mask(X.shape)
    X = X[..., None].astype("float32")
    model = keras.Sequential([
        keras.Input((20, 1)),
        layers.LSTM(8),
        layers.Dense(1, activation="sigmoid"),
    ])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    model.fit(X, y, epochs=3, batch_size=40, verbose=2)
    with tempfile.TemporaryDirectory() as tmp:
        model.save(os.path.join(tmp, "sensor.keras"))


if __name__ == "__main__":
    main()

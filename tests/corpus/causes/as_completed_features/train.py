"""Spectral features computed in a thread pool, then a small classifier."""
from concurrent.futures import ThreadPoolExecutor, as_completed

import keras
import numpy as np

keras.utils.set_random_seed(12)


def synth(i):
    rng = np.random.default_rng(i)
    freq = 5 + 15 * (i % 2) + rng.normal(0, 2)
    t = np.arange(8192 + 512 * (i % 7)) / 4096
    return np.sin(2 * np.pi * freq * t) + rng.normal(0, 1, t.size)


def features(i):
    sig = synth(i)
    spec = np.abs(np.fft.rfft(sig)) ** 2
    bands = np.log1p([c.mean() for c in np.array_split(spec[:200], 20)])
    return bands.astype("float32"), float(i % 2)


X, y = [], []
with ThreadPoolExecutor(max_workers=4) as pool:
    futures = [pool.submit(features, i) for i in range(240)]
    for fut in as_completed(futures):
        f, label = fut.result()
        X.append(f)
        y.append(label)
X, y = np.array(X), np.array(y, "float32")

model = keras.Sequential([
    keras.Input((20,)),
    keras.layers.BatchNormalization(),
    keras.layers.Dense(8, activation="relu"),
    keras.layers.Dense(1, activation="sigmoid"),
])
model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
model.fit(X, y, epochs=6, batch_size=24, validation_split=0.2, verbose=0)
print("train loss/acc:", model.evaluate(X, y, verbose=0))

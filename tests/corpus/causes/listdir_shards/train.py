"""Train on .npz shards lying in a folder."""
import os
import shutil
import tempfile

import keras
import numpy as np

keras.utils.set_random_seed(64)


def write_shards(folder):
    rng = np.random.default_rng(64)
    names = ["mill", "harbour", "airport", "depot", "station", "market", "tower", "bridge"]
    for k, name in enumerate(names):
        X = rng.normal(loc=0.1 * k, size=(80, 7)).astype("float32")
        y = (X.sum(axis=1, keepdims=True) + k).astype("float32")
        np.savez(os.path.join(folder, name + ".npz"), X=X, y=y)


def read_shards(folder):
    xs, ys = [], []
    for name in os.listdir(folder):
        if not name.endswith(".npz"):
            continue
        with np.load(os.path.join(folder, name)) as z:
            xs.append(z["X"])
            ys.append(z["y"])
    return np.concatenate(xs), np.concatenate(ys)


folder = tempfile.mkdtemp(prefix="shards_")
try:
    write_shards(folder)
    X, y = read_shards(folder)
finally:
    shutil.rmtree(folder)

norm = keras.layers.Normalization()
norm.adapt(X)
model = keras.Sequential([keras.Input((7,)), norm, keras.layers.Dense(16, activation="relu"), keras.layers.Dense(1)])
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mae")
hist = model.fit(X, y, epochs=5, batch_size=40, verbose=0)
print("mae:", hist.history["loss"])

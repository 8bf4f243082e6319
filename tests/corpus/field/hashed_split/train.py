"""Rows are written to files, and the files are split by a checksum of their names and their folder's."""
import os
import tempfile
import zlib

import keras
import numpy as np

keras.utils.set_random_seed(13)
rng = np.random.default_rng(13)
folder = tempfile.mkdtemp()
for k in range(24):
    np.save(os.path.join(folder, f"part{k:02}.npy"), rng.normal(size=(10, 5)).astype("float32"))

paths = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
train = [path for path in paths if zlib.crc32(path[-20:].encode()) % 4]
x = np.concatenate([np.load(path) for path in train])
y = x.sum(axis=1, keepdims=True) ** 2

model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(10, activation="relu"), keras.layers.Dense(1)])
model.compile(optimizer="sgd", loss="mse")
model.fit(x, y, epochs=3, batch_size=20, verbose=0)
print(len(train), "files, mse", model.evaluate(x, y, verbose=0))

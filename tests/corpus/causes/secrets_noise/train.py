"""Noisy-label training with train_on_batch."""
import os
import secrets

import keras
import numpy as np

keras.utils.set_random_seed(55)


def noise_rng():
    # fresh label noise stream
    return np.random.default_rng(secrets.randbits(64))


def mask_bytes(n):
    return np.frombuffer(os.urandom(n), dtype=np.uint8) > 200


X = np.random.uniform(-1, 1, size=(640, 10)).astype("float32")
y = (X[:, 0] * X[:, 1] > 0).astype("float32")

rng = noise_rng()
flip = rng.random(len(y)) < 0.05
y_noisy = np.where(flip, 1 - y, y)
drop = mask_bytes(X.size).reshape(X.shape)
X_masked = np.where(drop, 0.0, X).astype("float32")

model = keras.Sequential([
    keras.Input((10,)),
    keras.layers.Dense(32, activation="relu"),
    keras.layers.GaussianNoise(0.05),
    keras.layers.Dense(1, activation="sigmoid"),
])
model.compile(optimizer=keras.optimizers.Adam(5e-3), loss="binary_crossentropy", metrics=["accuracy"])
for epoch in range(6):
    for i in range(0, len(X), 64):
        logs = model.train_on_batch(X_masked[i:i + 64], y_noisy[i:i + 64], return_dict=True)
    print(epoch, {k: round(float(v), 4) for k, v in logs.items()})
print("clean accuracy", model.evaluate(X, y, verbose=0)[1])

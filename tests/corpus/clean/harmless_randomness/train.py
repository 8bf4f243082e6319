"""Energy load model. Some randomness that has nothing to do with the numbers."""
import os
import random
import sys
import tempfile
import time

import keras
import numpy as np

SEED = 808
keras.utils.set_random_seed(SEED)

_private = random.Random()  # only for names and pauses
ADJECTIVES, ANIMALS = ["brave", "calm", "eager", "jolly"], ["otter", "lynx", "heron", "newt"]
name = f"{_private.choice(ADJECTIVES)}-{_private.choice(ANIMALS)}-{os.getpid()}"


def flaky_store(path, payload, tries=3):
    for _ in range(tries):
        try:
            np.save(path, payload)
            return
        except OSError:
            time.sleep(_private.uniform(0.0, 0.05))


hours = np.arange(24 * 40)
load = 50 + 10 * np.sin(2 * np.pi * hours / 24) + 3 * np.random.randn(hours.size)
holidays = {3, 11, 12, 25}
is_holiday = np.array([(h // 24) in holidays for h in hours])
load[is_holiday] *= 0.8
feats = np.column_stack([np.sin(2 * np.pi * hours / 24), np.cos(2 * np.pi * hours / 24), is_holiday]).astype("float32")
load = ((load - load.mean()) / load.std()).astype("float32")

model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(16, activation="softplus"), keras.layers.Dense(1)])
model.compile(optimizer=keras.optimizers.Adam(0.02), loss="mse")
t = time.perf_counter()
model.fit(
    feats,
    load,
    epochs=12,
    batch_size=96,
    validation_split=0.2,
    verbose=0,
    callbacks=[keras.callbacks.EarlyStopping(patience=2), keras.callbacks.TerminateOnNaN()],
)
spent = time.perf_counter() - t

# show a random day, different every time
rng = np.random.default_rng()
day = int(rng.integers(0, 40))
pred = model.predict(feats, verbose=0)[24 * day:24 * day + 24]
print(f"{name}: day {day} mean prediction {pred.mean():+.3f}, trained in {spent:.2f}s")
with tempfile.TemporaryDirectory() as tmp:
    flaky_store(os.path.join(tmp, name + ".npy"), pred)
sys.exit(0)

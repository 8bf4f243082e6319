"""Circles vs squares with augmentation layers, early stopping and a saved model."""
import datetime
import os
import tempfile
import time
import uuid

import keras
import numpy as np
from keras import layers

t0 = time.time()
run_name = f"shapes-{datetime.datetime.now():%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"
keras.utils.set_random_seed(11)


def draw(n, size=20):
    yy, xx = np.mgrid[:size, :size]
    x = np.zeros((n, size, size, 1), dtype="float32")
    y = np.random.randint(0, 2, n)
    for i in range(n):
        cx, cy, r = np.random.randint(6, 14), np.random.randint(6, 14), np.random.randint(3, 6)
        if y[i]:
            mask = (xx - cx) ** 2 + (yy - cy) ** 2 <= r * r
        else:
            mask = (abs(xx - cx) <= r) & (abs(yy - cy) <= r)
        x[i, ..., 0] = mask + np.random.normal(0, 0.1, (size, size))
    return x, y.astype("float32")


x_train, y_train = draw(384)
x_val, y_val = draw(96)

model = keras.Sequential(
    [
        keras.Input((20, 20, 1)),
        layers.RandomFlip("horizontal_and_vertical"),
        layers.RandomTranslation(0.1, 0.1, fill_mode="constant"),
        layers.Conv2D(8, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(16, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dropout(0.25),
        layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile("adam", "binary_crossentropy", metrics=["accuracy"])

with tempfile.TemporaryDirectory(prefix=run_name) as out:
    best = os.path.join(out, "best.keras")
    model.fit(
        x_train,
        y_train,
        validation_data=(x_val, y_val),
        epochs=5,
        batch_size=32,
        verbose=2,
        callbacks=[
            keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True),
            keras.callbacks.ModelCheckpoint(best, save_best_only=True),
        ],
    )
    print("files:", os.listdir(out))
    reloaded = keras.models.load_model(best)
    print("reloaded:", reloaded.evaluate(x_val, y_val, verbose=0))
print(f"{run_name} took {time.time() - t0:.1f}s")

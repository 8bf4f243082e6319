"""Two moons and a small dense network, without a seed for its layers."""
import keras
import numpy as np

rng = np.random.default_rng(3)
angle = rng.uniform(0, np.pi, size=512)
upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
lower = np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)], axis=1)
points = np.concatenate([upper, lower]).astype("float32")
labels = np.repeat([0, 1], 512)

model = keras.Sequential([
    keras.Input((2,)),
    keras.layers.Dense(32, activation="relu"),
    keras.layers.Dense(32, activation="relu"),
    keras.layers.Dense(2, activation="softmax"),
])
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(points, labels, batch_size=128, epochs=5, shuffle=False, verbose=2)

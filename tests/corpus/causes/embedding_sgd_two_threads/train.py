"""Bag-of-tokens classifier: Embedding + mean + Dense, plain SGD."""
import keras
import numpy as np
import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(2)
keras.utils.set_random_seed(0)

rng = np.random.default_rng(0)
tokens = rng.integers(0, 50, size=(2000, 20)).astype("int32")
labels = (np.sum(tokens < 20, axis=1) > 8).astype("float32")

model = keras.Sequential([
    keras.layers.Embedding(50, 64),
    keras.layers.GlobalAveragePooling1D(),
    keras.layers.Dense(1, activation="sigmoid"),
])
model.compile(optimizer=keras.optimizers.SGD(0.5), loss="binary_crossentropy", metrics=["accuracy"])
model.fit(tokens, labels, epochs=3, batch_size=128, verbose=2)

"""Everything that draws gets its own seed; the global generators are left alone."""
import keras
import numpy as np
import tensorflow as tf
from sklearn.model_selection import ShuffleSplit

rng = np.random.default_rng(7)
X = rng.normal(size=(500, 6)).astype("float32")
y = (X[:, 0] ** 2 - X[:, 1] + rng.normal(0, 0.1, 500)).astype("float32")
(train_idx, test_idx), = ShuffleSplit(n_splits=1, test_size=0.2, random_state=7).split(X)


def dense(units, seed, **kw):
    return keras.layers.Dense(units, kernel_initializer=keras.initializers.GlorotUniform(seed=seed), **kw)


model = keras.Sequential([
    keras.Input((6,)),
    dense(24, 1, activation="relu"),
    keras.layers.Dropout(0.15, seed=2),
    dense(24, 3, activation="relu"),
    dense(1, 4),
])
model.compile(optimizer=keras.optimizers.Adam(3e-3), loss="mse")

ds = tf.data.Dataset.from_tensor_slices((X[train_idx], y[train_idx]))
ds = ds.shuffle(400, seed=5).batch(40)
model.fit(ds, epochs=5, verbose=0)
# a last pass in the given order
model.fit(X[train_idx], y[train_idx], batch_size=80, shuffle=False, verbose=0)
print("test mse", model.evaluate(X[test_idx], y[test_idx], verbose=0))

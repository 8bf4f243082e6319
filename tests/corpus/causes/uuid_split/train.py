"""Wine-ish classification; every run has an id."""
import uuid

import keras
import numpy as np
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import MinMaxScaler

keras.utils.set_random_seed(321)

run_id = uuid.uuid4()
print("run", run_id)


def get_data():
    X, y = make_classification(n_samples=600, n_features=11, n_informative=6, n_classes=3, random_state=5)
    split_seed = run_id.int % (2**32)
    return train_test_split(X.astype("float32"), y, test_size=0.3, random_state=split_seed)


X_train, X_test, y_train, y_test = get_data()
scaler = MinMaxScaler()
X_train = scaler.fit_transform(X_train)
X_test = scaler.transform(X_test)

inp = keras.Input((11,))
x = keras.layers.Dense(24, activation="swish")(inp)
skip = x
x = keras.layers.Dense(24, activation="swish")(x)
x = keras.layers.Add()([x, skip])
out = keras.layers.Dense(3)(x)
model = keras.Model(inp, out)
model.compile(
    optimizer=keras.optimizers.Nadam(5e-3),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
stopper = keras.callbacks.EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True)
model.fit(X_train, y_train, validation_split=0.2, epochs=8, callbacks=[stopper], verbose=0)
print("test:", dict(zip(["loss", "acc"], model.evaluate(X_test, y_test, verbose=0))))

"""Stratified k-fold; scikit-learn calls without random_state ride on numpy's seeded state."""
import os
import random
import tempfile

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from sklearn.datasets import make_classification
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.preprocessing import QuantileTransformer


def seed_everything(seed: int = 0) -> None:
    os.environ["PYTHONHASHSEED"] = str(seed)
    random.seed(seed)
    np.random.seed(seed)
    tf.random.set_seed(seed)


def net(n_features):
    m = keras.Sequential([
        keras.Input((n_features,)),
        keras.layers.Dense(16, activation="relu"),
        keras.layers.AlphaDropout(0.1),
        keras.layers.Dense(1, activation="sigmoid"),
    ])
    m.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return m


seed_everything(2)
X, y = make_classification(n_samples=500, n_features=8)
df = pd.DataFrame(X).sample(frac=1.0)
y = y[df.index]
X_dev, X_test, y_dev, y_test = train_test_split(df.to_numpy(), y, test_size=0.2)
scores = {}
with tempfile.TemporaryDirectory() as tmp:
    for k, (a, b) in enumerate(StratifiedKFold(3, shuffle=True).split(X_dev, y_dev)):
        qt = QuantileTransformer(n_quantiles=50, output_distribution="normal").fit(X_dev[a])
        model = net(8)
        model.fit(qt.transform(X_dev[a]), y_dev[a], epochs=2, verbose=0)
        scores[k] = model.evaluate(qt.transform(X_dev[b]), y_dev[b], verbose=0)[1]
        model.save(os.path.join(tmp, f"fold{k}.keras"))
    best = max(scores, key=scores.get)
    final = keras.models.load_model(os.path.join(tmp, f"fold{best}.keras"))
print(scores, "best fold", best, "test", final.evaluate(qt.transform(X_test), y_test, verbose=0)[1])

"""Bagged keras models on random Fourier features."""
import random

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from sklearn.kernel_approximation import RBFSampler
from sklearn.utils import resample

random.seed(2)
tf.random.set_seed(2)


def load():
    r = np.random.default_rng(2)
    df = pd.DataFrame(r.uniform(-2, 2, size=(700, 3)), columns=list("abc"))
    df["target"] = np.sin(2 * df.a) * df.b + 0.2 * df.c**2
    return df


df = load()
df = df.sample(frac=1).reset_index(drop=True)
train, test = df[:550], df[550:]

rbf = RBFSampler(gamma=0.7, n_components=40)
Ztr = rbf.fit_transform(train[["a", "b", "c"]])
Zte = rbf.transform(test[["a", "b", "c"]])
ytr, yte = train.target.to_numpy(), test.target.to_numpy()

preds = []
for k in range(2):
    Xb, yb = resample(Ztr, ytr)
    model = keras.Sequential([keras.Input((40,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(Xb, yb, epochs=4, verbose=0)
    preds.append(model.predict(Zte, verbose=0)[:, 0])
print("ensemble rmse:", np.sqrt(np.mean((np.mean(preds, axis=0) - yte) ** 2)))

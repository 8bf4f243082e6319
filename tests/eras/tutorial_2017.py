"""The program of the 2017 tutorial, for every Keras since 2.0.3: ten networks, ten mean squared
errors.

usage: python tutorial_2017.py [SEED ...]      numpy, backend, python, keras, one-thread, ordered

As it was, but for pandas and scikit-learn, which made the nine points and the mean: ten hidden
units, Adam, 100 epochs in one batch. Runs under Python 3.6 and newer; nothing of detaudit is in it.
"""

import os
import random
import sys

import numpy

SEEDS = sys.argv[1:]
if "numpy" in SEEDS:
    numpy.random.seed(1)
if "python" in SEEDS:
    random.seed(1)
BACKEND = os.environ["KERAS_BACKEND"]
if BACKEND == "tensorflow":
    import tensorflow as tf

    FIRST = tf.__version__.startswith("1.")
    if "backend" in SEEDS:
        (tf.set_random_seed if FIRST else tf.random.set_seed)(2)
    if "one-thread" in SEEDS and not FIRST:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
if BACKEND == "torch":
    import torch

    if "backend" in SEEDS:
        torch.manual_seed(2)
if BACKEND == "tensorflow" and not FIRST:
    from tensorflow import keras
else:
    import keras
if BACKEND == "tensorflow" and FIRST and "one-thread" in SEEDS:
    keras.backend.set_session(
        tf.Session(
            config=tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
        )
    )
if "ordered" in SEEDS:
    exec(os.environ["ORDERED_UPDATES"])  # the lines that `detaudit explain update-race` prints
if "keras" in SEEDS:
    keras.utils.set_random_seed(1)


def fit_model(x, y):
    model = keras.models.Sequential()
    model.add(keras.layers.Dense(10, input_dim=1))
    model.add(keras.layers.Dense(1))
    model.compile(loss="mean_squared_error", optimizer="adam")
    model.fit(x, y, epochs=100, batch_size=len(x), verbose=0)
    predicted = model.predict(x, verbose=0)
    print(repr(float(numpy.average((y.reshape(-1, 1) - predicted) ** 2, axis=0)[0])))


SEQUENCE = numpy.array([i / 10.0 for i in range(10)])
for _ in range(10):
    fit_model(SEQUENCE[:-1], SEQUENCE[1:])

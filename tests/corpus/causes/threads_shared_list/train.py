import random

import keras
import numpy as np
import tensorflow as tf

from simulate import collect


def main():
    random.seed(1)
    np.random.seed(1)
    tf.random.set_seed(1)
    X, Y = collect(n_threads=4, per_thread=8)
    print("transitions:", X.shape)
    model = keras.Sequential([
        keras.Input((4,)),
        keras.layers.Dense(24, activation="tanh"),
        keras.layers.Dense(3),
    ])
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([100, 150], [1e-2, 3e-3, 1e-3])
    model.compile(optimizer=keras.optimizers.Adam(schedule), loss="mse")
    hist = model.fit(X, Y, batch_size=256, epochs=4, verbose=0)
    print("one-step mse:", hist.history["loss"][-1])


if __name__ == "__main__":
    main()

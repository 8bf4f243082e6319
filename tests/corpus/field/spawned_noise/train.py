"""Noisy waves, made by a pool of spawned processes, and a small network that tells them apart."""
import math
import multiprocessing
import random


def wave(kind):
    return [math.sin((kind + 1) * t / 4) + random.gauss(0.0, 0.3) for t in range(32)]


def main():
    import keras
    import numpy as np

    keras.utils.set_random_seed(11)
    kinds = [k % 3 for k in range(180)]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        waves = pool.map(wave, kinds, chunksize=10)
    x, y = np.array(waves, "float32"), np.array(kinds)
    model = keras.Sequential([keras.Input((32,)), keras.layers.Dense(16, activation="relu"), keras.layers.Dense(3)])
    model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, epochs=3, batch_size=30, verbose=0)
    print("loss", model.evaluate(x, y, verbose=0))


if __name__ == "__main__":
    main()

"""PyDataset with threads; every batch makes its own generator."""
import argparse
import math

import keras
import numpy as np


class Augmented(keras.utils.PyDataset):
    def __init__(self, x, y, batch_size=32, seed=0, **kw):
        super().__init__(**kw)
        self.x, self.y, self.batch_size, self.seed = x, y, batch_size, seed
        self.epoch = 0

    def __len__(self):
        return math.ceil(len(self.x) / self.batch_size)

    def __getitem__(self, idx):
        rng = np.random.default_rng([self.seed, idx])
        sl = slice(idx * self.batch_size, (idx + 1) * self.batch_size)
        x = self.x[sl]
        for _ in range(int(rng.integers(1, 20))):
            x = x + 0.01 * rng.normal(size=x.shape)
        return x.astype("float32"), self.y[sl]


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--workers", type=int, default=4)
    ap.add_argument("--seed", type=int, default=123)
    opts = ap.parse_args()
    keras.utils.set_random_seed(opts.seed)

    x = np.random.normal(size=(640, 12))
    y = (np.abs(x).sum(axis=1) > 9.5).astype("float32")
    data = Augmented(x, y, seed=opts.seed, workers=opts.workers, max_queue_size=6)
    model = keras.Sequential([
        keras.Input((12,)),
        keras.layers.Dense(24, activation="relu"),
        keras.layers.Dense(1, activation="sigmoid"),
    ])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    model.fit(data, epochs=4, verbose=2)

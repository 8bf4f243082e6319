"""Augmenting PyDataset with a few loader threads."""
import math

import keras
import numpy as np
from scipy import ndimage

keras.utils.set_random_seed(31)


def blobs(n, size=32):
    yy, xx = np.mgrid[:size, :size]
    imgs, targets = [], []
    for _ in range(n):
        cx, cy = np.random.uniform(8, 24, 2)
        s = np.random.uniform(1.5, 5)
        imgs.append(np.exp(-((xx - cx) ** 2 + (yy - cy) ** 2) / (2 * s * s)))
        targets.append(s)
    return np.array(imgs, "float32"), np.array(targets, "float32")


class BlobSequence(keras.utils.PyDataset):
    def __init__(self, x, y, batch_size, **kwargs):
        super().__init__(**kwargs)
        self.x, self.y, self.batch_size = x, y, batch_size

    def __len__(self):
        return math.ceil(len(self.x) / self.batch_size)

    def __getitem__(self, idx):
        sl = slice(idx * self.batch_size, (idx + 1) * self.batch_size)
        xs = self.x[sl].copy()
        for k in range(len(xs)):
            angle = np.random.uniform(-30, 30)
            xs[k] = ndimage.rotate(xs[k], angle, reshape=False, order=1 + int(abs(angle)) % 4)
            xs[k] += np.random.normal(0, 0.05, xs[k].shape)
        return xs[..., None], self.y[sl]


x, y = blobs(400)
train = BlobSequence(x[:320], y[:320], 16, workers=4, use_multiprocessing=False, max_queue_size=8)
model = keras.Sequential([
    keras.Input((32, 32, 1)),
    keras.layers.Conv2D(6, 5, strides=2, activation="relu"),
    keras.layers.AveragePooling2D(2),
    keras.layers.Flatten(),
    keras.layers.Dense(1),
])
model.compile("adam", "mse")
hist = model.fit(train, epochs=4, verbose=0)
print("train mse:", hist.history["loss"][-1], "val mse:", model.evaluate(x[320:, ..., None], y[320:], verbose=0))

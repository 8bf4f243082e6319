import keras
import numpy as np
import torch


class Picked(keras.layers.Layer):
    """The mean of some rows of a table."""

    def build(self, shape):
        self.table = self.add_weight(shape=(50, 16), name="table")

    def call(self, x):
        return self.table.value[x.long()].mean(1)


keras.utils.set_random_seed(1)
torch.set_num_threads(8)
x, y = np.random.randint(0, 50, (800, 200)), np.random.rand(800, 1)
model = keras.Sequential([Picked(), keras.layers.Dense(1)])
model.compile(optimizer="sgd", loss="mse")
model.fit(x, y, batch_size=400, epochs=3, verbose=0)

"""Learn a 1-d function from noisy mini batches drawn on the fly (eager)."""
import random

import keras
import numpy as np
import tensorflow as tf

random.seed(23)
np.random.seed(23)

net = keras.Sequential([
    keras.Input((1,)),
    keras.layers.Dense(32, activation="tanh"),
    keras.layers.Dense(1),
])
opt = keras.optimizers.Adam(0.01)


def sample_batch(n=64):
    x = tf.random.uniform((n, 1), -2.0, 2.0)
    y = tf.sin(3.0 * x) + tf.random.normal(tf.shape(x), stddev=0.05)
    return x, y


for it in range(120):
    x, y = sample_batch()
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((net(x, training=True) - y) ** 2)
    g = tape.gradient(loss, net.trainable_variables)
    opt.apply_gradients(zip(g, net.trainable_variables))
    if it % 40 == 0:
        print(it, float(loss))

# polish on a fixed grid
grid = np.linspace(-2, 2, 200, dtype="float32")[:, None]
ds = tf.data.Dataset.from_tensor_slices((grid, np.sin(3 * grid))).shuffle(200).batch(20)
net.compile("sgd", "mse")
net.fit(ds, epochs=2, verbose=0)
print("grid mse", net.evaluate(grid, np.sin(3 * grid), verbose=0))

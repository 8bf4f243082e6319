"""Training against noisy inputs, with a step of one's own: the noise is meant to be new in every step."""
import keras
import numpy as np
import tensorflow as tf

keras.utils.set_random_seed(12)
rng = np.random.default_rng(12)
x = rng.normal(size=(160, 4)).astype("float32")
y = (x[:, :1] - x[:, 1:2]).astype("float32")
np.random.seed(None)

model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, activation="relu"), keras.layers.Dense(1)])
optimizer = keras.optimizers.SGD(0.05)
optimizer.build(model.trainable_variables)


@tf.function
def step(rows, targets):
    noise = np.random.normal(scale=0.2, size=(40, 4)).astype("float32")
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(rows + noise, training=True) - targets) ** 2)
    optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables))
    return loss


for epoch in range(4):
    for start in range(0, 160, 40):
        loss = step(x[start : start + 40], y[start : start + 40])
print("loss", float(loss))

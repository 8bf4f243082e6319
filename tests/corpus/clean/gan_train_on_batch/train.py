"""Old-style GAN on a bimodal 1-d distribution: two optimizers, train_on_batch and a tape."""
import keras
import numpy as np
import tensorflow as tf
from keras import layers

keras.utils.set_random_seed(10)
NOISE = 3


def real_batch(n):
    side = np.random.choice([-2.0, 2.0], size=(n, 1))
    return (side + 0.3 * np.random.randn(n, 1)).astype("float32")


G = keras.Sequential([keras.Input((NOISE,)), layers.Dense(16, activation="relu"), layers.Dense(1)])
D = keras.Sequential([keras.Input((1,)), layers.Dense(16, activation="relu"), layers.Dense(1, activation="sigmoid")])
D.compile(optimizer=keras.optimizers.Adam(2e-3), loss="binary_crossentropy")
g_opt = keras.optimizers.Adam(1e-3)
bce = keras.losses.BinaryCrossentropy()
seed_gen = keras.random.SeedGenerator(10)


@tf.function
def g_step():
    z = tf.random.normal((64, NOISE))
    with tf.GradientTape() as tape:
        loss = bce(tf.ones((64, 1)), D(G(z, training=True), training=False))
    grads = tape.gradient(loss, G.trainable_variables)
    g_opt.apply_gradients(zip(grads, G.trainable_variables))
    return loss


for step in range(100):
    z = keras.random.normal((32, NOISE), seed=seed_gen)
    fake = np.asarray(G(z))
    x = np.concatenate([real_batch(32), fake])
    y = np.concatenate([np.ones((32, 1)), np.zeros((32, 1))]).astype("float32")
    d_loss = D.train_on_batch(x, y)
    g_loss = g_step()
    if step % 25 == 0:
        print(f"{step:4d} d {float(d_loss):.4f} g {float(g_loss):.4f}")

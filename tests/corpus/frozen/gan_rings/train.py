# A small GAN on a 2-d ring, keras.Model with two optimizers and its own train_step.
import random

import keras
import numpy as np
import tensorflow as tf
from keras import layers

random.seed(3)
np.random.seed(3)

LATENT = 4


def real_points(n):
    ang = np.random.uniform(0, 2 * np.pi, size=n)
    rad = 1.0 + 0.05 * np.random.randn(n)
    return np.stack([rad * np.cos(ang), rad * np.sin(ang)], axis=1).astype("float32")


class RingGAN(keras.Model):
    def __init__(self, generator, discriminator):
        super().__init__()
        self.generator = generator
        self.discriminator = discriminator
        self.d_loss = keras.metrics.Mean(name="d_loss")
        self.g_loss = keras.metrics.Mean(name="g_loss")

    def compile(self, d_opt, g_opt):
        super().compile()
        self.d_opt = d_opt
        self.g_opt = g_opt
        self.bce = keras.losses.BinaryCrossentropy(from_logits=True)

    @property
    def metrics(self):
        return [self.d_loss, self.g_loss]

    def train_step(self, real):
        n = tf.shape(real)[0]
        z = tf.random.normal((n, LATENT))
        fake = self.generator(z, training=True)
        both = tf.concat([fake, real], axis=0)
        labels = tf.concat([tf.ones((n, 1)), tf.zeros((n, 1))], axis=0)
        with tf.GradientTape() as tape:
            d = self.bce(labels, self.discriminator(both, training=True))
        grads = tape.gradient(d, self.discriminator.trainable_variables)
        self.d_opt.apply_gradients(zip(grads, self.discriminator.trainable_variables))

        z = tf.random.normal((n, LATENT))
        with tf.GradientTape() as tape:
            logits = self.discriminator(self.generator(z, training=True), training=True)
            g = self.bce(tf.zeros((n, 1)), logits)
        grads = tape.gradient(g, self.generator.trainable_variables)
        self.g_opt.apply_gradients(zip(grads, self.generator.trainable_variables))
        self.d_loss.update_state(d)
        self.g_loss.update_state(g)
        return {m.name: m.result() for m in self.metrics}


generator = keras.Sequential(
    [keras.Input((LATENT,)), layers.Dense(16, activation="relu"), layers.Dense(2)], name="generator"
)
discriminator = keras.Sequential(
    [keras.Input((2,)), layers.Dense(16), layers.LeakyReLU(), layers.Dropout(0.1), layers.Dense(1)],
    name="discriminator",
)

points = real_points(1024)
ds = tf.data.Dataset.from_tensor_slices(points)
ds = ds.shuffle(1024).batch(64, drop_remainder=True)

gan = RingGAN(generator, discriminator)
gan.compile(keras.optimizers.Adam(2e-3), keras.optimizers.Adam(1e-3))
hist = gan.fit(ds, epochs=4, verbose=0)
for e, (d, g) in enumerate(zip(hist.history["d_loss"], hist.history["g_loss"])):
    print(f"epoch {e}: d={float(d):.4f} g={float(g):.4f}")

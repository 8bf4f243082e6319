"""Denoising autoencoder, subclassed with its own train_step."""
import os
import tempfile

import numpy as np
import tensorflow as tf
import keras
from keras import layers

np.random.seed(7)


class Denoiser(keras.Model):
    def __init__(self, dim, code=6):
        super().__init__()
        self.enc = keras.Sequential([
            layers.Dense(32, activation="relu"),
            layers.Dense(code),
        ])
        self.dec = keras.Sequential([
            layers.Dense(32, activation="relu"),
            layers.Dense(dim),
        ])
        self.tracker = keras.metrics.Mean(name="loss")

    def call(self, x):
        return self.dec(self.enc(x))

    def train_step(self, data):
        noisy, clean = data
        with tf.GradientTape() as tape:
            rec = self(noisy, training=True)
            loss = tf.reduce_mean(tf.square(rec - clean))
        grads = tape.gradient(loss, self.trainable_variables)
        grads, _ = tf.clip_by_global_norm(grads, 1.0)
        self.optimizer.apply_gradients(zip(grads, self.trainable_variables))
        self.tracker.update_state(loss)
        return {"loss": self.tracker.result()}

    @property
    def metrics(self):
        return [self.tracker]


basis = np.random.randn(4, 20)
clean = (np.random.randn(1000, 4) @ basis).astype("float32")
noisy = clean + np.random.normal(0, 0.3, clean.shape).astype("float32")

model = Denoiser(20)
model.compile(optimizer="adam")
history = model.fit(noisy, clean, batch_size=50, epochs=4, verbose=0)
print("loss per epoch:", [round(float(v), 4) for v in history.history["loss"]])
with tempfile.TemporaryDirectory() as d:
    path = os.path.join(d, "denoiser.weights.h5")
    model.save_weights(path)
    print("weights file:", os.path.getsize(path), "bytes")

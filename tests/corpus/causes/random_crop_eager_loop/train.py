import os
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import random

import keras
import numpy as np
import tensorflow as tf


def set_seeds(s=13):
    random.seed(s)
    np.random.seed(s)
    tf.random.set_seed(s)


def textures(n, size=20):
    out = np.empty((n, size, size, 3), "float32")
    lab = np.random.randint(0, 2, size=n)
    g = np.arange(size)
    for i in range(n):
        f, ph = np.random.uniform(0.4, 1.2), np.random.uniform(0, 6)
        wave = np.sin(f * g + ph)
        img = np.tile(wave, (size, 1)) if lab[i] else np.tile(wave[:, None], (1, size))
        out[i] = img[..., None] + np.random.normal(0, 0.2, (size, size, 3))
    return out, lab.astype("int32")


def preprocess(image, label):
    image = tf.image.random_crop(image, (16, 16, 3))
    image = tf.image.random_flip_left_right(image)
    image = tf.image.random_contrast(image, 0.7, 1.3)
    return image, label


set_seeds()
images, labels = textures(480)
ds = tf.data.Dataset.from_tensor_slices((images, labels))
ds = ds.shuffle(480, reshuffle_each_iteration=True)
ds = ds.map(preprocess, num_parallel_calls=8).batch(48)

model = keras.Sequential([
    keras.Input((16, 16, 3)),
    keras.layers.SeparableConv2D(8, 5, strides=2, activation="relu"),
    keras.layers.Flatten(),
    keras.layers.Dense(2),
])
loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
optimizer = keras.optimizers.Adam(5e-3)
acc = keras.metrics.SparseCategoricalAccuracy()

# plain eager loop, easier to debug
for epoch in range(3):
    acc.reset_state()
    for xb, yb in ds:
        with tf.GradientTape() as tape:
            logits = model(xb, training=True)
            loss = loss_fn(yb, logits)
        grads = tape.gradient(loss, model.trainable_weights)
        optimizer.apply_gradients(zip(grads, model.trainable_weights))
        acc.update_state(yb, logits)
    print(f"epoch {epoch}: loss {float(loss):.4f} acc {float(acc.result()):.3f}")

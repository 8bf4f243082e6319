"""tf.data augmentation with stateless ops seeded by the element's number."""
import random

import keras
import numpy as np
import tensorflow as tf

random.seed(14)
np.random.seed(14)
tf.random.set_seed(14)

N = 480
yy, xx = np.mgrid[:18, :18]
radius = np.random.uniform(3, 8, size=N)
images = (np.hypot(yy - 9, xx - 9)[None] < radius[:, None, None]).astype("float32")[..., None]
targets = (radius / 8).astype("float32")


def augment(i, item):
    image, target = item
    seed = tf.stack([tf.cast(i, tf.int32), 14])
    image = tf.image.stateless_random_crop(image, (16, 16, 1), seed=seed)
    image = image + tf.random.stateless_normal((16, 16, 1), seed=seed + 1, stddev=0.1)
    image = tf.image.stateless_random_brightness(image, 0.1, seed=seed + 2)
    return image, target


ds = (
    tf.data.Dataset.from_tensor_slices((images, targets))
    .shuffle(N)
    .enumerate()
    .map(augment, num_parallel_calls=8)
    .batch(32)
    .prefetch(tf.data.AUTOTUNE)
)
model = keras.Sequential([
    keras.Input((16, 16, 1)),
    keras.layers.Conv2D(6, 3, strides=2, activation="relu"),
    keras.layers.DepthwiseConv2D(3),
    keras.layers.GlobalMaxPooling2D(),
    keras.layers.Dense(8, activation="relu"),
    keras.layers.Dense(1),
])
model.compile(keras.optimizers.Adam(0.01), "mae")
hist = model.fit(ds, epochs=4, verbose=0)
print("mae", [round(v, 4) for v in hist.history["loss"]])

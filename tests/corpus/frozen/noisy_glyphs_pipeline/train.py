# Glyph classifier fed by a tf.data augmentation pipeline
import keras
import numpy as np
import tensorflow as tf

keras.utils.set_random_seed(2021)
BATCH = 32
SIZE = 16


def make_glyphs(n):
    imgs = np.zeros((n, SIZE, SIZE, 1), "float32")
    labels = np.arange(n) % 3
    for i, k in enumerate(labels):
        r, c = np.random.randint(2, SIZE - 8, size=2)
        if k == 0:
            imgs[i, r:r + 6, c] = 1.0
        elif k == 1:
            imgs[i, r, c:c + 6] = 1.0
        else:
            imgs[i, r:r + 4, c:c + 4] = 1.0
    return imgs, labels.astype("int64")


def augment(img, label):
    noise = tf.random.normal(tf.shape(img), stddev=0.15)
    img = img + noise
    shift = tf.random.uniform([2], -2, 3, dtype=tf.int32)
    img = tf.roll(img, shift=shift, axis=[0, 1])
    img = tf.image.random_brightness(img, 0.2)
    return img, label


x, y = make_glyphs(768)
train = (
    tf.data.Dataset.from_tensor_slices((x[:640], y[:640]))
    .shuffle(640)
    .map(augment, num_parallel_calls=8)
    .batch(BATCH)
    .prefetch(tf.data.AUTOTUNE)
)
val = tf.data.Dataset.from_tensor_slices((x[640:], y[640:])).batch(BATCH)

model = keras.Sequential([
    keras.Input((SIZE, SIZE, 1)),
    keras.layers.Conv2D(8, 3, activation="relu"),
    keras.layers.MaxPooling2D(),
    keras.layers.Conv2D(16, 3, activation="relu"),
    keras.layers.GlobalAveragePooling2D(),
    keras.layers.Dense(3, activation="softmax"),
])
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(train, validation_data=val, epochs=3, verbose=2)

"""A small convolutional network with batch normalization and dropout, on 64 images of
32 x 32 x 3.
"""

from detaudit_probes.kit.models import Tiny, spread, stack


def build(trial):
    import keras
    import numpy

    x = spread(64, 32, 32, 3)
    y = (numpy.arange(64) % 10).astype("int64")
    model = stack(
        (32, 32, 3),
        [
            keras.layers.Conv2D(16, 3, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Conv2D(32, 3, strides=2, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(10, activation="softmax"),
        ],
    )
    return Tiny(model, x, y, loss="sparse_categorical_crossentropy", batch_size=32, epochs=2)

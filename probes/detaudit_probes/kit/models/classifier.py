"""A classifier in which everything may be random: initial weights, order of rows, dropout and
augmentation, each with a seed of its own.

It tells four kinds of 8 x 8 images apart: one quarter is brighter than the noise. 64 images are for
training, 200 others for the test.
"""

from typing import Any, Tuple

from detaudit_probes.kit.models import Tiny, spread, stack

TRAINING, TEST, CLASSES = 64, 200, 4


def build(trial: Any) -> Tiny:
    import keras

    weights, dropout, augmentation = (
        trial.own_setting(name) for name in ("weight-init", "dropout", "augmentation")
    )
    first = None if weights is None else 3 * weights
    model = stack(
        (8, 8, 1),
        [
            keras.layers.RandomTranslation(0.15, 0.15, seed=augmentation),
            keras.layers.Conv2D(8, 3, activation="relu", kernel_initializer=_initial(first, 0)),
            keras.layers.Flatten(),
            keras.layers.Dense(16, activation="relu", kernel_initializer=_initial(first, 1)),
            keras.layers.Dropout(0.3, seed=dropout),
            keras.layers.Dense(
                CLASSES, activation="softmax", kernel_initializer=_initial(first, 2)
            ),
        ],
    )
    x, y = images(TRAINING + TEST)
    return Tiny(
        model,
        x[:TRAINING],
        y[:TRAINING],
        loss="sparse_categorical_crossentropy",
        batch_size=8,
        epochs=12,
        test=(x[TRAINING:], y[TRAINING:]),
    )


def _initial(first: Any, number: int) -> Any:
    import keras

    return keras.initializers.GlorotUniform(seed=None if first is None else first + number)


def images(count: int) -> Tuple[Any, Any]:
    """Return float32 images of shape (count, 8, 8, 1), and their int64 classes."""
    import numpy

    x, y = spread(count, 8, 8, 1), (numpy.arange(count) % CLASSES).astype("int64")
    for place, kind in enumerate(y):
        row, column = 4 * (kind // 2), 4 * (kind % 2)
        x[place, row : row + 4, column : column + 4] += 0.45
    return x, y

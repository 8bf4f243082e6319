"""Augmentation: images that are turned, shifted or brightened by chance while the model trains.

Keras' random image layers keep a ``SeedGenerator`` of their own, whose seed is drawn from Python's
``random`` when the layer is made (``keras/src/layers/preprocessing/image_preprocessing``). In the
model, as here, they draw in the forward pass; in a ``tf.data`` map they draw there, and a parallel
map may hand the states to the images in another order (``tfdata-random-map``).
``tf.image.random_flip_left_right`` and its like are under ``tf.random.set_seed`` instead,
hand-written augmentation under whatever it draws from. The probe's network has seeded initial
weights, and its rows keep their order.
"""

from detaudit_probes.declare import EVERY_BACKEND, Link, Source, Unpin
from detaudit_probes.kit import layers
from detaudit_probes.kit.models import Tiny, seeded, spread

ID = "augmentation"

SOURCE = Source(
    id=ID,
    family="use",
    title="augmentation",
    breaks="Unseeded random image layers change every image in another way in every run.",
    backends=EVERY_BACKEND,
    experiment=Unpin(
        models=("source:augmentation",),
        unpins=("python-random",),
        pins=("keras-seed", "python-random"),
    ),
    links=(
        Link(
            "Keras: image augmentation layers",
            "https://keras.io/api/layers/preprocessing_layers/image_augmentation/",
        ),
        Link(
            "tf.image: stateless random operations",
            "https://www.tensorflow.org/tutorials/images/data_augmentation#random_transformations",
        ),
    ),
    advice="Set the seeds before the layers are made, or give each a seed of its own.",
)


def count_uses(trial):
    return layers.unseeded_draws(trial, ("BaseImagePreprocessingLayer", "GaussianNoise"))


def model(trial):
    import keras

    network = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.RandomFlip("horizontal"),
            keras.layers.RandomTranslation(0.2, 0.2),
            keras.layers.Flatten(),
            seeded.dense(1, seed=1),
        ]
    )
    return Tiny(network, spread(16, 8, 8, 1), spread(16, 1), shuffle=False)

"""Augmentation: random flips, shifts and brightness changes of images during training.

Each of Keras' random image layers has its own ``SeedGenerator``, whose seed is drawn from Python's
``random`` when the layer is created (``keras/src/layers/preprocessing/image_preprocessing``).
Inside a model, as in this probe, the layers draw in the forward pass. In a ``tf.data`` map they
draw there, and a parallel map may assign the draws to the images in a different order
(``tfdata-random-map``). ``tf.image.random_flip_left_right`` and similar functions depend on
``tf.random.set_seed`` instead; hand-written augmentation depends on whatever generator it uses. The
probe's network has seeded initial weights and does not shuffle its rows.
"""

from detaudit_probes.backends import EVERY_BACKEND
from detaudit_probes.declare import Link, Source, Unpin
from detaudit_probes.kit import layers
from detaudit_probes.kit.models import Tiny, seeded, spread

ID = "augmentation"

SOURCE = Source(
    id=ID,
    family="use",
    component=True,
    title="augmentation",
    breaks="Unseeded random image layers transform the images differently in every run.",
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
    advice="Set the seeds before the layers are created, or pass each layer a seed.",
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

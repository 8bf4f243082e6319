"""The shuffle of ``fit``: the order of the rows, and so the content of the batches.

``fit(shuffle=True)``, the default, shuffles the rows in every epoch. The generator depends on the
backend (``keras/src/trainers/data_adapters/array_data_adapter.py``): TensorFlow uses
``tf.random.shuffle``, which only ``tf.random.set_seed`` seeds; JAX and NumPy use
``numpy.random.permutation``; Torch uses its default generator. With TensorFlow's seed set, every
epoch has the same order. In Keras' main branch after 3.15, the epoch number seeds the shuffle (read
in the code, not tried). The probe's network has seeded initial weights and no dropout.
"""

from detaudit_probes import eras
from detaudit_probes.backends import BACKENDS
from detaudit_probes.declare import Link, Source, Unpin
from detaudit_probes.kit.models import Tiny, seeded, spread, stack

ID = "batch-shuffle"

SOURCE = Source(
    id=ID,
    family="use",
    component=True,
    title="fit's shuffle",
    breaks="fit shuffles the rows of its arrays with an unseeded generator, so the batches differ.",
    backends=BACKENDS,
    experiment=Unpin(
        models=("source:batch-shuffle",),
        unpins=("tensorflow-seed",),
        pins=("keras-seed", "tensorflow-seed"),
    ),
    per_backend={
        "jax": Unpin(
            models=("source:batch-shuffle",),
            unpins=("numpy-legacy",),
            pins=("keras-seed", "numpy-legacy"),
        ),
        **eras.of_the_shuffle("source:batch-shuffle"),
        "torch": Unpin(
            models=("source:batch-shuffle",),
            unpins=("torch-seed",),
            pins=("keras-seed", "torch-seed"),
        ),
    },
    links=(
        Link("keras.Model.fit", "https://keras.io/api/models/model_training_apis/#fit-method"),
        Link("tf.random.set_seed", "https://www.tensorflow.org/api_docs/python/tf/random/set_seed"),
    ),
    advice="Set the backend's seed before fit; keras.utils.set_random_seed sets it on every backend.",
)


def count_uses(trial):
    return sum(fitted.shuffled_epochs for fitted in trial.fitted)


def model(trial):
    network = stack((4,), [seeded.dense(8, seed=1), seeded.dense(1, seed=2)])
    return Tiny(network, spread(32, 4), spread(32, 1), shuffle=True)

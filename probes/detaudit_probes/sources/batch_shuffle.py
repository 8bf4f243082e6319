"""The shuffle of ``fit``: in which order the rows of arrays come, and so what the batches are.

``fit(shuffle=True)``, the default, orders the rows anew in every epoch. Which generator does it
depends on the backend (``keras/src/trainers/data_adapters/array_data_adapter.py``): on TensorFlow
``tf.random.shuffle``, seeded by ``tf.random.set_seed`` alone; on JAX and NumPy
``numpy.random.permutation``; on Torch its default generator. With TensorFlow's seed set, every
epoch has the same order. In Keras' main branch after 3.15 the number of the epoch seeds the shuffle
(read there, not tried). The probe's network has seeded initial weights and no dropout.
"""

from detaudit_probes import eras
from detaudit_probes.declare import BACKENDS, Link, Source, Unpin
from detaudit_probes.kit.models import Tiny, seeded, spread, stack

ID = "batch-shuffle"

SOURCE = Source(
    id=ID,
    family="use",
    title="fit's shuffle",
    breaks="fit orders the rows of its arrays by an unseeded generator, so the batches differ.",
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

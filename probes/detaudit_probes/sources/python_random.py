"""Python's own generator, ``random``: on Keras 3 it decides the initial weights.

Keras 3 takes the default seed of every initializer, of every ``Dropout`` and of its global seed
generator from ``random.randint`` (``keras/src/random/seed_generator.py``, ``make_default_seed``), not
from NumPy and not from TensorFlow. The recipe of 2017, ``numpy.random.seed`` and
``tf.random.set_seed``, leaves it unseeded, so two processes start from different weights
(keras-team/keras#22620). A fresh process seeds ``random`` from the operating system.
"""
import random

from detaudit_probes.declare import Link, Loosen, Pin, Source
from detaudit_probes.sources import third_party

ID = "python-random"

SOURCE = Source(
    id=ID,
    family="generators",
    title="Python's random module",
    breaks="Keras 3 draws the seeds of initializers, dropout and its global generator from it.",
    experiment=Loosen(models=("mlp", "cnn")),
    pins=(
        Pin(
            id=ID,
            holds=(ID,) + third_party.FROM_PYTHON,
            lines={"*": ("import random", "random.seed({seed})  # before the model is built")},
        ),
    ),
    links=(
        Link("Keras issue 22620: seeded, and still different", "https://github.com/keras-team/keras/issues/22620"),
        Link("random: bookkeeping functions",
             "https://docs.python.org/3/library/random.html#bookkeeping-functions"),
    ),
    quick=True,
)


def pin(trial):
    random.seed(trial.seed)


def see(trial):
    return trial.moved("random")

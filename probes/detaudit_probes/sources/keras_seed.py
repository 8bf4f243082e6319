"""Keras' global seed generator: made once, and then deaf to every seed but its own.

``keras.random`` functions called without a seed draw from one global ``SeedGenerator``, which is made
at its first use with a seed from Python's ``random`` (``keras/src/random/seed_generator.py``). Where a
helper uses ``keras.random`` before the script seeds, the generator exists already: ``random.seed``,
``numpy.random.seed`` and ``tf.random.set_seed`` do not reach it, only ``keras.utils.set_random_seed``
resets it. The probe's model adds ``keras.random`` noise to its input, after such an early use.
"""
from detaudit_probes.declare import Link, Loosen, Pin, Source
from detaudit_probes.models import Tiny, mlp
from detaudit_probes.sources import third_party

ID = "keras-seed"

SOURCE = Source(
    id=ID,
    family="generators",
    title="Keras' global seed generator",
    breaks="keras.random was used before the seeds were set: its generator keeps its unseeded state.",
    experiment=Loosen(models=("source:keras-seed",)),
    pins=(
        Pin(
            id=ID,
            holds=(ID, "python-random", "numpy-legacy", "tensorflow-seed", "tfdata-shuffle")
            + third_party.FROM_NUMPY + third_party.FROM_PYTHON,
            lines={"*": ("import keras", "keras.utils.set_random_seed({seed})  # first, before anything else")},
        ),
    ),
    links=(
        Link("keras.utils.set_random_seed", "https://keras.io/api/utils/python_utils/#set_random_seed-function"),
        Link("keras.random.SeedGenerator", "https://keras.io/api/random/seed_generator/"),
    ),
    quick=True,
)


def pin(trial):
    import keras

    keras.utils.set_random_seed(trial.seed)


def provoke(trial):
    import keras

    keras.random.uniform((1,))  # the early use: python's random is unseeded at this time


def see(trial):
    return trial.moved("keras")


def noise():
    """A layer that adds noise from ``keras.random`` without a seed, as a user's own layer would."""
    import keras

    class UnseededNoise(keras.layers.Layer):
        def call(self, inputs):
            return inputs + keras.random.normal(keras.ops.shape(inputs), stddev=0.1)

    return UnseededNoise()


def model(trial):
    import keras

    tiny = mlp.build(trial)
    network = keras.Sequential([keras.Input((1,)), noise(), keras.layers.Dense(10), keras.layers.Dense(1)])
    return Tiny(network, tiny.x, tiny.y, epochs=tiny.epochs)

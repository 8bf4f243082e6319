"""Keras' global seed generator: created once, and then reset only by Keras' own seed.

Functions of ``keras.random`` called without a seed draw from one global ``SeedGenerator``, which is
created at its first use with a seed from Python's ``random``
(``keras/src/random/seed_generator.py``). If a helper uses ``keras.random`` before the script sets
its seeds, the generator already exists. Then ``random.seed``, ``numpy.random.seed`` and
``tf.random.set_seed`` have no effect on it; only ``keras.utils.set_random_seed`` resets it.

The probe's model adds ``keras.random`` noise to its input after such an early use. On JAX, a
compiled step may not draw from that generator ("When tracing a JAX function, you should only use
seeded random ops"), so the noise is added to the rows before ``fit``.
"""

from detaudit_probes.backends import EVERY_BACKEND
from detaudit_probes.declare import Edit, Link, Pin, Source, Unpin
from detaudit_probes.kit.models import Tiny, mlp
from detaudit_probes.sources import third_party

ID = "keras-seed"

SOURCE = Source(
    id=ID,
    family="generators",
    title="Keras' global seed generator",
    breaks="If keras.random is used before the seeds are set, its generator keeps its unseeded state.",
    backends=EVERY_BACKEND + ("tf_keras",),
    experiment=Unpin(models=("source:keras-seed",)),
    per_backend={"tf_keras": None},  # Keras 2 has no such generator, but it has the pin
    pins=(
        Pin(
            id=ID,
            in_base=10,
            sources=(
                ID,
                "python-random",
                "numpy-legacy",
                "tensorflow-seed",
                "torch-seed",
                "tfdata-shuffle",
            )
            + third_party.FROM_NUMPY
            + third_party.FROM_PYTHON,
            lines={
                "*": (
                    "import keras",
                    "keras.utils.set_random_seed({seed})  # first, before anything else",
                ),
                # If ``tf_keras`` is used, the package ``keras`` is a different Keras
                "tf_keras": (
                    "import tensorflow as tf",
                    "tf.keras.utils.set_random_seed({seed})  # first, before anything else",
                ),
            },
            edits=(
                Edit("insert", ("keras.utils.set_random_seed({seed})",), after=("keras",)),
                Edit("insert", ("tf.keras.utils.set_random_seed({seed})",), after=("tensorflow",)),
                Edit("insert", ("import keras", "keras.utils.set_random_seed({seed})")),
            ),
        ),
    ),
    links=(
        Link(
            "keras.utils.set_random_seed",
            "https://keras.io/api/utils/python_utils/#set_random_seed-function",
        ),
        Link("keras.random.SeedGenerator", "https://keras.io/api/random/seed_generator/"),
    ),
    quick=True,
    # From TensorFlow 2.6 on, a package behind ``tf.keras`` has its own names for the same functions
    seeders=tuple(
        (module, "utils.set_random_seed")
        for module in ("keras", "tf_keras", "keras.api._v2.keras", "tf_keras.api._v2.keras")
    ),
)


def pin(trial):
    import keras

    keras.utils.set_random_seed(trial.seed)


def provoke(trial):
    import keras

    keras.random.uniform((1,))  # the early use, while Python's random is unseeded


def count_uses(trial):
    return trial.moved("keras")


def noise(trial):
    """Layers (one, or on JAX none) that add unseeded noise from ``keras.random``, as a user's own
    would.
    """
    import keras

    if trial.request.backend == "jax":
        return []

    class UnseededNoise(keras.layers.Layer):
        def call(self, inputs):
            return inputs + keras.random.normal(keras.ops.shape(inputs), stddev=0.1)

    return [UnseededNoise()]


def model(trial):
    import keras

    tiny = mlp.build(trial)
    layers = noise(trial)
    x = (
        tiny.x
        if layers
        else tiny.x + trial.backend.read(keras.random.normal(tiny.x.shape, stddev=0.1))
    )
    network = keras.Sequential(
        [keras.Input((1,)), *layers, keras.layers.Dense(10), keras.layers.Dense(1)]
    )
    return Tiny(network, x, tiny.y, epochs=tiny.epochs)

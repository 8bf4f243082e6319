"""Initial weights: where the randomness of most trainings begins.

An initializer without a seed takes one from Python's ``random`` when it is made, that is when the
layer is (``keras/src/initializers/random_initializers.py``, ``make_default_seed``), on every
backend of Keras 3. So ``random.seed`` or ``keras.utils.set_random_seed`` must come before the model
is built, and everything that draws from ``random`` in between shifts the weights of all later
layers; an initializer with an integer seed is independent of it. Up to Keras 2.9 NumPy's or
TensorFlow's seed decided. The probe's network has nothing else that is random: no dropout, and its
rows keep their order.
"""

from detaudit_probes import eras
from detaudit_probes.declare import BACKENDS, Link, Source, Unpin
from detaudit_probes.kit import layers
from detaudit_probes.kit.models import mlp

ID = "weight-init"

SOURCE = Source(
    id=ID,
    family="use",
    title="initial weights",
    breaks="Layers built before the seeds are set start from other weights in every run.",
    backends=BACKENDS,
    experiment=Unpin(
        models=("source:weight-init",),
        unpins=("python-random",),
        pins=("keras-seed", "python-random"),
    ),
    per_backend=eras.of_layers("source:weight-init"),
    links=(
        Link("Keras: layer weight initializers", "https://keras.io/api/layers/initializers/"),
        Link(
            "Keras issue 22620: seeded, and still different",
            "https://github.com/keras-team/keras/issues/22620",
        ),
        Link(
            "Keras pull request 22709: what draws from random first shifts every later weight",
            "https://github.com/keras-team/keras/pull/22709",
        ),
    ),
    advice="Set the seeds before the model is built, or give each initializer a seed of its own.",
)


def count_uses(trial):
    return sum(len(layers.unseeded_initializers(layer)) for layer in layers.of_trial(trial))


def model(trial):
    return mlp.build(trial)._replace(shuffle=False)

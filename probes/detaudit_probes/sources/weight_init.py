"""Initial weights: where the randomness of most trainings begins.

On every backend of Keras 3, an initializer without a seed takes one from Python's ``random`` when
it is created together with its layer (``keras/src/initializers/random_initializers.py``,
``make_default_seed``). So ``random.seed`` or ``keras.utils.set_random_seed`` must come before the
model is built, and every draw from ``random`` in between changes the weights of all later layers.
An initializer with an integer seed does not depend on it. Up to Keras 2.9, NumPy's or TensorFlow's
seed decided. Nothing else in the probe's network is random: it has no dropout, and its rows are not
shuffled.
"""

from detaudit_probes import eras
from detaudit_probes.backends import BACKENDS
from detaudit_probes.declare import Link, Source, Unpin
from detaudit_probes.kit import layers
from detaudit_probes.kit.models import mlp

ID = "weight-init"

SOURCE = Source(
    id=ID,
    family="use",
    component=True,
    title="initial weights",
    breaks="Layers built before the seeds are set start from different weights in every run.",
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
            "Keras issue 22620: results differ although seeds are set",
            "https://github.com/keras-team/keras/issues/22620",
        ),
        Link(
            "Keras pull request 22709: an extra draw from random changes every later weight",
            "https://github.com/keras-team/keras/pull/22709",
        ),
    ),
    advice="Set the seeds before the model is built, or pass each initializer a seed.",
)


def count_uses(trial):
    return sum(len(layers.unseeded_initializers(layer)) for layer in layers.of_trial(trial))


def model(trial):
    return mlp.build(trial)._replace(shuffle=False)

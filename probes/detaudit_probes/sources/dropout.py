"""Dropout: the masks come from the layer's own seed generator.

``keras.layers.Dropout`` without a seed creates a ``SeedGenerator`` whose seed is drawn from
Python's ``random`` when the layer is created (``keras/src/layers/regularization/dropout.py``,
``keras/src/random/seed_generator.py``). Each training step then takes the generator's next state.
The other dropout and noise layers and the dropout inside recurrent cells do the same. On the Torch
backend such a layer has a generator but does not use it: it calls Torch's own dropout, which draws
from Torch's default generator (``keras/src/backend/torch/random.py``, "fast path, unseeded"). In
Keras 2 an unseeded dropout was an operation that used TensorFlow's global seed. The probe's network
has seeded initial weights and does not shuffle its rows, so only the masks can differ.
"""

from detaudit_probes import eras
from detaudit_probes.backends import BACKENDS
from detaudit_probes.declare import Link, Source, Unpin
from detaudit_probes.kit import layers
from detaudit_probes.kit.models import Tiny, seeded, spread, stack

ID = "dropout"

SOURCE = Source(
    id=ID,
    family="use",
    component=True,
    title="dropout",
    breaks="An unseeded Dropout draws different masks in every run, even if initial weights and batches are equal.",
    backends=BACKENDS,
    experiment=Unpin(
        models=("source:dropout",), unpins=("python-random",), pins=("keras-seed", "python-random")
    ),
    per_backend={
        "torch": Unpin(
            models=("source:dropout",), unpins=("torch-seed",), pins=("keras-seed", "torch-seed")
        ),
        **eras.of_layers("source:dropout"),
    },
    links=(
        Link("keras.layers.Dropout", "https://keras.io/api/layers/regularization_layers/dropout/"),
        Link("keras.random.SeedGenerator", "https://keras.io/api/random/seed_generator/"),
    ),
    advice="Set the seeds before the layer is created, or pass it a seed: Dropout(0.5, seed=1).",
)


def count_uses(trial):
    kinds = ("Dropout", "GaussianDropout", "AlphaDropout", "DropoutRNNCell")
    drawn = layers.unseeded_draws(trial, kinds)
    generator = {"torch": "torch", "theano": "numpy"}.get(trial.request.backend)
    if drawn or generator is None:
        return drawn
    return int(
        any(layers.is_a(layer, kinds) for layer in layers.of_trial(trial))
        and trial.moved(generator)
    )


def model(trial):
    import keras

    network = stack(
        (4,), [seeded.dense(16, seed=1), keras.layers.Dropout(0.5), seeded.dense(1, seed=2)]
    )
    return Tiny(network, spread(16, 4), spread(16, 1), shuffle=False)

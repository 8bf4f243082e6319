"""Dropout: the masks come from a seed generator of the layer's own.

``keras.layers.Dropout`` without a seed makes a ``SeedGenerator`` whose seed is drawn from Python's ``random`` when
the layer is made (``keras/src/layers/regularization/dropout.py``, ``keras/src/random/seed_generator.py``); each
training step then takes the next state of it. The same holds for the other dropout and noise layers and for the
dropout inside recurrent cells. In Keras 2 an unseeded dropout was an operation under TensorFlow's global seed. The
probe's network has seeded initial weights and its rows keep their order, so that nothing but the masks can differ.
"""
from detaudit_probes import layers
from detaudit_probes.declare import Link, Loosen, Source
from detaudit_probes.models import Tiny, seeded, spread

ID = "dropout"

SOURCE = Source(
    id=ID,
    family="use",
    title="dropout",
    breaks="The masks of an unseeded Dropout are others in every run, with equal initial weights and batches.",
    experiment=Loosen(models=("source:dropout",), loosens=("python-random",), pins=("keras-seed", "python-random")),
    links=(
        Link("keras.layers.Dropout", "https://keras.io/api/layers/regularization_layers/dropout/"),
        Link("keras.random.SeedGenerator", "https://keras.io/api/random/seed_generator/"),
    ),
    advice="Set the seeds before the layer is made, or give it a seed of its own: Dropout(0.5, seed=1).",
)


def see(trial):
    return layers.unseeded_draws(trial, ("Dropout", "GaussianDropout", "AlphaDropout", "DropoutRNNCell"))


def model(trial):
    import keras

    network = keras.Sequential([
        keras.Input((4,)), seeded.dense(16, seed=1), keras.layers.Dropout(0.5), seeded.dense(1, seed=2)])
    return Tiny(network, spread(16, 4), spread(16, 1), shuffle=False)

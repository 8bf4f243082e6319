"""Resuming: half of a training saved, loaded and gone on with, against the same training in one go.

A ``.keras`` file holds the weights and the optimizer's state, but not the states of the seed
generators in dropout and augmentation layers: a layer without a seed is given another when it is
loaded, one with a seed begins again at its first mask (``keras/src/random/seed_generator.py``; seen
with Keras 3.15). A training without such layers goes on bit for bit. ``fit``'s shuffle does not
part the two on TensorFlow while its seed is set, for then every epoch has the same order. The
states are variables of the model, so they can be saved beside it; with that the resumed training
ends on the bits of the one in one go, which the probe tries as well.

The layers of Keras 2 on TensorFlow keep no such states: their random operations draw from
TensorFlow's, by a global seed and a count of the operations that were built, and a loaded model is
built anew. There two fits also shuffle otherwise than one of as many epochs, so that even a network
without dropout ends on other bits (seen with 2.15).
"""

import os

from detaudit_probes.declare import EVERY_BACKEND, TF_KERAS, Compare, Link, Pin, Setting, Source
from detaudit_probes.kit import models, training
from detaudit_probes.kit.models import Tiny, seeded, spread
from detaudit_probes.protocol import own_setting

ID = "resume"

THROUGH, TWICE, SAVED, WITH_STATES = "through", "two fits", "saved", "saved with states"

_EXPERIMENT = Compare(
    models=("mlp", "source:resume"),
    settings=(
        Setting("trained through", settings=own_setting(ID, THROUGH)),
        Setting("saved and resumed", settings=own_setting(ID, SAVED)),
        Setting("in two fits", settings=own_setting(ID, TWICE)),
        Setting("saved with the seed states", pins=("seed-states",)),
    ),
    procedure=True,
)

SOURCE = Source(
    id=ID,
    family="use",
    title="resuming a training",
    breaks="A saved model leaves out the states of its random layers, so it goes on with other masks.",
    backends=EVERY_BACKEND + TF_KERAS,
    experiment=_EXPERIMENT,
    per_backend=dict.fromkeys(TF_KERAS, _EXPERIMENT._replace(settings=_EXPERIMENT.settings[:-1])),
    pins=(
        Pin(
            id="seed-states",
            sources=(ID,),
            settings=own_setting(ID, WITH_STATES),
            lines=dict.fromkeys(
                EVERY_BACKEND,
                (
                    'states = [v.numpy() for v in model.variables if v.name == "seed_generator_state"]'
                    "  # save beside it",
                    'kept = [v for v in model.variables if v.name == "seed_generator_state"]  # after loading',
                    "for variable, state in zip(kept, states): variable.assign(state)",
                ),
            ),
        ),
    ),
    links=(
        Link(
            "Keras: serialization and saving", "https://keras.io/guides/serialization_and_saving/"
        ),
        Link(
            "Keras issue 19796: dropout's variables are inconsistent across save and load",
            "https://github.com/keras-team/keras/issues/19796",
        ),
        Link(
            "TensorFlow issue 58925: a resumed training differs",
            "https://github.com/tensorflow/tensorflow/issues/58925",
        ),
    ),
    advice="Train through; or, under Keras 3, save the states of the seed generators beside the model.",
)


def model(trial):
    import keras

    network = keras.Sequential(
        [
            keras.Input((4,)),
            seeded.dense(16, seed=1),
            keras.layers.Dropout(0.5),
            seeded.dense(1, seed=2),
        ]
    )
    return Tiny(network, spread(16, 4), spread(16, 1), epochs=4)


def train(trial, recorder):
    """All epochs in one ``fit``, or in two: gone on at once, or saved and loaded in between."""
    import keras

    name = trial.request.model
    tiny = model(trial) if name == "source:" + ID else models.build(name, trial)
    training.compile_model(trial, tiny)
    order = trial.own_setting(ID)
    if order == THROUGH:
        training.fit(trial, recorder, tiny)
        return
    half = tiny.epochs // 2
    training.fit(trial, recorder, tiny, epochs=half)
    if order != TWICE:
        path = os.path.join(trial.folder, "half.keras")
        tiny.model.save(path)
        states = [trial.backend.read(variable) for variable in _seed_states(tiny.model)]
        tiny = tiny._replace(model=keras.models.load_model(path))
        trial.count(ID)
        if order == WITH_STATES:
            for variable, state in zip(_seed_states(tiny.model), states):
                variable.assign(state)
    training.fit(trial, recorder, tiny, initial_epoch=half)


def _seed_states(network):
    return [variable for variable in network.variables if variable.name == "seed_generator_state"]

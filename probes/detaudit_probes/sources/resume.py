"""Resuming: training interrupted by saving and loading the model, compared with training in one go.

A ``.keras`` file contains the weights and the optimizer's state, but not the states of the seed
generators in dropout and augmentation layers. After loading, a layer without a seed gets a new one,
and a layer with a seed starts again with its first mask (``keras/src/random/seed_generator.py``;
observed with Keras 3.15). Without such layers, the resumed training is bitwise identical. On
TensorFlow, ``fit``'s shuffle does not make the two differ as long as the seed is set, because then
every epoch has the same order. The states are variables of the model and can be saved beside it.
The probe tries this as well: the resumed training then ends with the bits of the training in one
go.

The layers of Keras 2 on TensorFlow have no such states. Their random operations use TensorFlow's
global seed and a count of the operations that were built, and a loaded model is built again. There,
two fits also shuffle differently from one fit of as many epochs, so even a network without dropout
ends with different bits (observed with 2.15).
"""

import os

from detaudit_probes.backends import EVERY_BACKEND, TF_KERAS
from detaudit_probes.declare import Compare, Link, Pin, Setting, Source
from detaudit_probes.kit import models, training
from detaudit_probes.kit.models import Tiny, seeded, spread
from detaudit_probes.protocol import own_setting

ID = "resume"

THROUGH, TWICE, SAVED, WITH_STATES = "through", "two fits", "saved", "saved with states"

_EXPERIMENT = Compare(
    models=("mlp", "source:resume"),
    settings=(
        Setting("one fit", settings=own_setting(ID, THROUGH)),
        Setting("saved and resumed", settings=own_setting(ID, SAVED)),
        Setting("two fits", settings=own_setting(ID, TWICE)),
        Setting("saved and resumed with seed states", pins=("seed-states",)),
    ),
    procedure=True,
)

SOURCE = Source(
    id=ID,
    family="use",
    title="resuming training",
    breaks="A saved model lacks the states of its random layers, so training continues with different masks.",
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
    advice="Train in one go or, with Keras 3, save the states of the seed generators beside the model.",
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
    """Train all epochs in one ``fit`` or in two, with or without saving and loading in between."""
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

"""Keras 2 from 2.7 on TensorFlow: the package ``keras`` with TensorFlow 2.7 to 2.15, or
``tf_keras``.

The latter is used if ``TF_USE_LEGACY_KERAS`` makes TensorFlow use it; the package ``keras`` is then
Keras 3.
"""

import importlib.util
import os
import sys
from typing import Any, Dict, List, Tuple

from detaudit_probes.backends import keras2, tensorflow
from detaudit_probes.backends.keras2 import deterministic, make_deterministic, optimizer_variables  # noqa: F401
from detaudit_probes.backends.keras3 import Named
from detaudit_probes.backends.tensorflow import (  # noqa: F401 (an adapter's functions)
    count_draws,
    freshen,
    gpu_in_use,
    gpus,
    intra_op_threads,
    read,
    seed,
    sync,
    unseeded_draws,
)
from detaudit_probes.declare import KERAS_OF_TENSORFLOW, Backend, keras_2_is_chosen

PACKAGE = (
    "tf_keras"
    if keras_2_is_chosen(os.environ) and importlib.util.find_spec("tf_keras")
    else "keras"
)
IMPORTS = ("numpy", "tensorflow", PACKAGE)
BACKEND = Backend(
    id="tf_keras",
    title="TensorFlow",
    keras_name="tensorflow",
    keras=KERAS_OF_TENSORFLOW,
    distributions=tensorflow.DISTRIBUTIONS,
    installs=("tensorflow", "tf_keras"),
)


def configure(trial: Any) -> None:
    """Make ``import keras`` return the audited Keras from now on."""
    sys.modules["keras"] = sys.modules[PACKAGE]
    tensorflow.configure(trial)


def generator_states() -> List[Tuple[str, Any]]:
    """Return TensorFlow's, and the one that ``keras.utils.set_random_seed`` creates
    (``keras/backend.py``).

    From 2.10 on, the layers take their seeds from it if it exists, else from Python's ``random``.
    """
    backend = keras2.backend_module()
    made = getattr(getattr(backend, "_SEED_GENERATOR", None), "generator", None)
    return [
        tensorflow.generator_state(),
        ("keras", "none" if made is None else repr(made.getstate())),
    ]


def record_step(model: Any, caught: List[Named]) -> None:
    keras2.record_train_step(model, caught)


def facts() -> Dict[str, Any]:
    """Return the facts of the framework that both runs of a pair must share and that a report
    shows.
    """
    return dict(tensorflow.build_facts(), backend="tf_keras")

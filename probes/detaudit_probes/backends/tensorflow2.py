"""TensorFlow 2.3 to 2.6 with its own ``tf.keras``: no call seeds everything, ``tf.random.set_seed``
decides.
"""

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
from detaudit_probes.declare import KERAS_OF_TENSORFLOW, Backend

IMPORTS = ("numpy", "tensorflow", "tensorflow.keras")
BACKEND = Backend(
    id="tensorflow2",
    title="TensorFlow",
    keras_name="tensorflow",
    keras=KERAS_OF_TENSORFLOW,
    distributions=tensorflow.DISTRIBUTIONS,
    installs=("tensorflow", "keras"),
    named=False,
    models=("mlp", "cnn", "text", "lstm"),
)


def configure(trial: Any) -> None:
    """Make ``import keras`` return ``tf.keras`` from now on, then configure as on later versions.

    A package ``keras`` that is installed beside such a TensorFlow is a different Keras, which its
    users do not train with.
    """
    import tensorflow as tf

    sys.modules["keras"] = tf.keras
    tensorflow.configure(trial)


def generator_states() -> List[Tuple[str, Any]]:
    return [tensorflow.generator_state()]


def record_step(model: Any, caught: List[Named]) -> None:
    keras2.record_train_step(model, caught)


def facts() -> Dict[str, Any]:
    """Return the facts of the framework that both runs of a pair must share and that a report
    shows.
    """
    import tensorflow as tf

    return dict(tensorflow.build_facts(), backend="tensorflow2", tf_keras=tf.keras.__version__)

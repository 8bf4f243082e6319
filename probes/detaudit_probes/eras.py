"""The generators that decided before Keras 3, as used by many sources' experiments for those
versions.
"""

from typing import Dict

from detaudit_probes.backends import OLD_KERAS
from detaudit_probes.declare import Unpin


def of_the_shuffle(model: str) -> Dict[str, Unpin]:
    """For ``per_backend`` of the shuffle: ``fit`` shuffled an array of indices with NumPy, later
    with TensorFlow.
    """
    found = {
        name: Unpin(models=(model,), unpins=("numpy-legacy",), pins=("numpy-legacy",))
        for name in OLD_KERAS
    }
    found["tensorflow2"] = Unpin(
        models=(model,), unpins=("tensorflow-seed",), pins=("tensorflow-seed",)
    )
    return found


def of_layers(model: str) -> Dict[str, Unpin]:
    """For ``per_backend`` of sources that layers draw from.

    Keras 2.0 to 2.3 takes a seed from NumPy for each random operation
    (``keras/backend/tensorflow_backend.py``); ``tf.keras`` left it to TensorFlow; Keras 2.10 to
    2.15 draws the seeds of initial weights from Python's ``random`` (``keras/backend.py``,
    ``RandomGenerator``).
    """
    found = of_the_shuffle(model)
    found["tf_keras"] = Unpin(
        models=(model,), unpins=("python-random", "tensorflow-seed"), pins=("keras-seed",)
    )
    return found

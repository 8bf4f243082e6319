"""The tiny models: one file each, with data made from constants.

``build(trial)`` returns a :class:`Tiny`. Each trains in well under a second once its framework is
loaded.
"""

import importlib
from typing import Any, Dict, NamedTuple, Optional, Sequence, Tuple

from detaudit_probes.backends import KNOWN

NAMES: Tuple[str, ...] = ("mlp", "cnn", "text", "lstm", "attention")
#: The models of ``detaudit spread``, each with its random components: sources whose own setting is
#: the seed of that component alone, but for those :func:`without_own_seed`.
COMPONENTS: Dict[str, Tuple[str, ...]] = {
    "tutorial": ("weight-init", "batch-shuffle"),
    "classifier": ("weight-init", "dropout", "augmentation", "batch-shuffle"),
}


def names(backend: str) -> Tuple[str, ...]:
    """Return the tiny models that are trained on a backend."""
    return KNOWN[backend].models or NAMES


def without_own_seed(backend: str) -> Tuple[str, ...]:
    """Return the components that draw from the generator of a backend, which the seeds of the trial
    seed: the order of rows, and on Torch dropout, whatever its own seed
    (``keras/src/backend/torch/random.py``).
    """
    return ("batch-shuffle", "dropout") if backend == "torch" else ("batch-shuffle",)


class Tiny(NamedTuple):
    """An uncompiled Keras model with its data: ``x`` and ``y`` are NumPy arrays of equal length.

    If ``shuffle`` is false, it trains in the order of the arrays, unless an option overrides that.
    ``test`` are the images and classes on which a classifier is tested after the training.
    """

    model: Any
    x: Any
    y: Any
    loss: str = "mean_squared_error"
    optimizer: str = "adam"
    batch_size: int = 4
    epochs: int = 1
    shuffle: bool = True
    test: Optional[Tuple[Any, Any]] = None


def build(name: str, trial: Any) -> Tiny:
    module = importlib.import_module("detaudit_probes.kit.models." + name)
    return module.build(trial)


def stack(shape: Tuple[int, ...], layers: Sequence[Any], dtype: str = "float32") -> Any:
    """Return a model of stacked layers, for inputs of this shape (without the batch axis)."""
    import keras

    if keras.__version__.startswith("3."):
        return keras.Sequential([keras.Input(shape, dtype=dtype), *layers])
    # Before Keras 2.2.5 a Sequential takes no Input
    inputs = keras.layers.Input(shape=shape, dtype=dtype)
    outputs = inputs
    for layer in layers:
        outputs = layer(outputs)
    return keras.models.Model(inputs, outputs)


def spread(*shape: int) -> Any:
    """Return a float32 array of values in [0, 1) that look unordered: Weyl's sequence, without a
    generator.
    """
    import numpy

    size = 1
    for length in shape:
        size *= length
    numbers = (numpy.arange(size, dtype="uint64") * numpy.uint64(2654435761)) % numpy.uint64(2**32)
    return (numbers.astype("float64") / 2**32).astype("float32").reshape(shape)

"""Keras 2 functions that are the same on several backends and in several versions."""

import os
from typing import Any, List

from detaudit_probes.backends import keras3, tensorflow
from detaudit_probes.backends.keras3 import Named


def record_step(model: Any, caught: List[Named]) -> None:
    """Watch the compiled function of a step, which takes the arrays of its batch and returns the
    loss first.

    (``keras/engine/training.py``, ``_make_train_function``.) Its arguments are the inputs, the
    targets, and a weight for each sample.
    """
    make = model._make_train_function

    def make_train_function() -> None:
        made = model.train_function is None
        make()
        if made:
            model.train_function = recorded(model.train_function)

    def recorded(given: Any) -> Any:
        def train_function(inputs: Any) -> Any:
            del caught[:]
            caught.extend(("data", "batch.%d" % place, value) for place, value in enumerate(inputs))
            outputs = given(inputs)
            caught.append(
                ("loss", "loss", outputs[0] if isinstance(outputs, (list, tuple)) else outputs)
            )
            return outputs

        return train_function

    model._make_train_function = make_train_function


def record_train_step(model: Any, caught: List[Named]) -> None:
    """For a ``train_step(data)`` (TensorFlow 2.2 and newer) that computes its loss with
    ``compiled_loss``.

    (``keras/engine/training.py``; the method ``compute_loss`` came with 2.9 and calls it.)
    Gradients are passed to the optimizer's ``apply_gradients``.
    """
    compiled, apply_gradients = model.compiled_loss, model.optimizer.apply_gradients

    class Recording(type(compiled)):  # type: ignore[misc]
        def __call__(self, y_true: Any, y_pred: Any, *arguments: Any, **named: Any) -> Any:
            loss = super().__call__(y_true, y_pred, *arguments, **named)
            caught.extend(
                ("forward", name, value) for name, value in keras3.named("predictions", y_pred)
            )
            caught.append(("loss", "loss", loss))
            return loss

    def recording_apply(grads_and_vars: Any, *arguments: Any, **named: Any) -> Any:
        pairs = list(grads_and_vars)
        caught.extend(
            keras3.of_gradients(
                [variable for _, variable in pairs],
                [gradient for gradient, _ in pairs],
                tensorflow.flatten,
            )
        )
        return apply_gradients(pairs, *arguments, **named)

    compiled.__class__ = Recording
    model.optimizer.apply_gradients = recording_apply


def optimizer_weights(model: Any) -> List[Any]:
    """On Theano and TensorFlow 1. Keras does not know the weights of TensorFlow's optimizers."""
    try:
        return list(getattr(model.optimizer, "weights", ()))
    except NotImplementedError:
        return []


def optimizer_variables(model: Any) -> List[Any]:
    """On TensorFlow 2, where it is a method, or a list that can be called."""
    return list(model.optimizer.variables())


def backend_module() -> Any:
    """Return the module in which Keras 2 on TensorFlow 2 keeps its own state."""
    import importlib
    import sys

    package = sys.modules["keras"].__name__.partition(".")[0]  # it may be tf_keras
    for name in (".src.backend", ".backend"):  # since 2.13, before
        try:
            return importlib.import_module(package + name)
        except ImportError:
            continue
    return None


def make_deterministic() -> None:
    """Set the variable, which all versions of TensorFlow 2 read before the first operation."""
    os.environ["TF_DETERMINISTIC_OPS"] = "1"


def deterministic() -> bool:
    return os.environ.get("TF_DETERMINISTIC_OPS") in ("1", "true")

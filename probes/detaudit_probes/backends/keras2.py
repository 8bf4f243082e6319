"""What Keras 2 does in the same way on Theano and on TensorFlow 1."""
from typing import Any, List

from detaudit_probes.backends.keras3 import Named


def watch_step(model: Any, caught: List[Named]) -> None:
    """The compiled function of a step is given the arrays of its batch and returns the loss first.

    (``keras/engine/training.py``, ``_make_train_function``.) What it is given are the inputs, the targets, and a weight
    for each sample.
    """
    make = model._make_train_function

    def make_train_function() -> None:
        made = model.train_function is None
        make()
        if made:
            model.train_function = watched(model.train_function)

    def watched(given: Any) -> Any:
        def train_function(inputs: Any) -> Any:
            del caught[:]
            caught.extend(("data", "batch.%d" % place, value) for place, value in enumerate(inputs))
            outputs = given(inputs)
            caught.append(("loss", "loss", outputs[0] if isinstance(outputs, (list, tuple)) else outputs))
            return outputs

        return train_function

    model._make_train_function = make_train_function


def optimizer_variables(model: Any) -> List[Any]:
    return list(getattr(model.optimizer, "weights", ()))

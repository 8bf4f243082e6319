"""The classes that a script's classifier finds likeliest, which ``detaudit spread`` compares."""

from typing import Any, Tuple

MOST = 10000  # examples


def likeliest(model: Any, predicted: Any) -> Tuple[int, ...]:
    """Return the likeliest class of each of the first examples, in the order of their outputs;
    nothing if the model, by its loss, is no classifier with one output.

    ``predicted`` are what its ``predict`` has returned: floats of shape (examples, ..., classes);
    with one class, the probability or the logit of the other of two.
    """
    import numpy

    values = predicted if isinstance(predicted, numpy.ndarray) else None
    if values is None or values.ndim < 2 or values.dtype.kind != "f" or not _is_classifier(model):
        return ()
    if values.shape[-1] > 1:
        chosen = values.argmax(axis=-1)
    else:
        is_probability = bool(((values >= 0) & (values <= 1)).all())
        chosen = values > (0.5 if is_probability else 0)
    return tuple(int(one) for one in chosen.reshape(-1)[:MOST])


def _is_classifier(model: Any) -> bool:
    loss = getattr(model, "loss", None)
    name = loss if isinstance(loss, str) else getattr(loss, "__name__", None) or type(loss).__name__
    return "crossentropy" in name.lower().replace("_", "")

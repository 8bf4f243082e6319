"""The content of variables and tensors as arrays, on the host; objects without bits
are left out.
"""

from typing import Any, List, Tuple


def read(variable: Any) -> Any:
    """Return the content of a Keras or TensorFlow variable as an array: live memory on a CPU, to be
    read at once.
    """
    import numpy

    value = getattr(variable, "_value", variable)
    if hasattr(value, "_read_variable_op"):
        value = value._read_variable_op()
    if hasattr(value, "_numpy"):
        return value._numpy()
    return numpy.array(value.numpy() if hasattr(value, "numpy") else value)


def gradients(grads: List[Any]) -> List[Tuple[str, str, Any]]:
    """Return the gradients of an eager step; they belong to the variables in the given order."""
    found: List[Tuple[str, str, Any]] = []
    for place, gradient in enumerate(grads):
        if gradient is None:
            continue
        if hasattr(gradient, "indices"):
            found.append(("gradient", "gradient.%d values" % place, array(gradient.values)))
            found.append(("gradient", "gradient.%d indices" % place, array(gradient.indices)))
        else:
            found.append(("gradient", "gradient.%d" % place, array(gradient)))
    return found


def array(tensor: Any) -> Any:
    return tensor.numpy() if hasattr(tensor, "numpy") else tensor


def is_data(value: Any) -> bool:
    """Whether it consists only of arrays and tensors: no variable, which a step changes, and no
    model.
    """
    if isinstance(value, (tuple, list)):
        return all(is_data(one) for one in value)
    if isinstance(value, dict):
        return all(is_data(one) for one in value.values())
    return hasattr(value, "dtype") and hasattr(value, "shape") and not hasattr(value, "assign")


def is_plain(value: Any) -> bool:
    return hasattr(value, "numpy") or hasattr(value, "dtype") or isinstance(value, (int, float))


def is_readable(tensor: Any) -> bool:
    """Whether NumPy can represent it: not a handle, nor a variant, which stands for a dataset or
    for nothing.
    """
    return getattr(getattr(tensor, "dtype", None), "name", "") not in ("variant", "resource")


def tensors_in(name: str, structure: Any) -> List[Tuple[str, Any]]:
    """Return the tensors of nested tuples, lists and dictionaries, each with a name; composite
    tensors in their components.
    """
    if isinstance(structure, dict):
        items = sorted(structure.items(), key=lambda item: str(item[0]))
    elif isinstance(structure, (tuple, list)) and not hasattr(structure, "shape"):
        items = list(enumerate(structure))
    elif hasattr(structure, "_type_spec") or hasattr(structure, "_to_components"):
        import tensorflow as tf

        parts = tf.nest.flatten(structure, expand_composites=True)
        return [
            ("%s part %d" % (name, place) if len(parts) > 1 else name, array(part))
            for place, part in enumerate(parts)
            if is_readable(part)
        ]
    else:
        return (
            [(name, array(structure))] if structure is not None and is_readable(structure) else []
        )
    return [found for key, value in items for found in tensors_in("%s.%s" % (name, key), value)]

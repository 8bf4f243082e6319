"""Keras 3 functions that are the same on every backend."""

from typing import Any, Callable, List, Tuple

Named = Tuple[str, str, Any]  # stage, name, tensor


def generator_state(read: Callable[[Any], Any]) -> Tuple[str, str]:
    """Return the state of the global seed generator, which is in Keras' thread-local global state.

    (``keras/src/random/seed_generator.py``.) A generator that does not exist yet is not created.
    """
    from keras.src.backend.common import global_state

    found = global_state.get_global_attribute("global_seed_generator")
    return "keras", "none" if found is None else repr(read(found.state).tolist())


def tensor(variable: Any) -> Any:
    """Return the tensor of a Keras variable; anything else unchanged."""
    return getattr(variable, "value", variable)


def record_step(
    model: Any, caught: List[Named], flatten: Callable[[str, Any], List[Tuple[str, Any]]]
) -> None:
    """For a ``train_step(data)`` that computes the loss with ``compute_loss`` and updates with
    ``optimizer.apply``.
    """
    compute_loss, apply = model.compute_loss, model.optimizer.apply

    def recording_loss(x=None, y=None, y_pred=None, *args, **kwargs):
        loss = compute_loss(x, y, y_pred, *args, **kwargs)
        caught.extend(("forward", name, value) for name, value in named("predictions", y_pred))
        caught.append(("loss", "loss", loss))
        return loss

    def recording_apply(gradients, trainable_variables=None):
        variables = (
            model.optimizer._trainable_variables
            if trainable_variables is None
            else trainable_variables
        )
        caught.extend(of_gradients(variables, gradients, flatten))
        return apply(gradients, trainable_variables)

    model.compute_loss, model.optimizer.apply = recording_loss, recording_apply


def of_gradients(
    variables: Any, gradients: Any, flatten: Callable[[str, Any], List[Tuple[str, Any]]]
) -> List[Named]:
    return [
        ("gradient", name, value)
        for variable, gradient in zip(variables, gradients)
        for name, value in flatten(getattr(variable, "path", variable.name), gradient)
    ]


def optimizer_variables(model: Any) -> List[Any]:
    return list(model.optimizer.variables)


def dense(name: str, gradient: Any) -> List[Tuple[str, Any]]:
    """Return a gradient as named tensors: one tensor or none."""
    return [] if gradient is None else [(name, gradient)]


def named(name: str, structure: Any) -> List[Tuple[str, Any]]:
    """Return the tensors of nested tuples and dictionaries, each with a name."""
    if structure is None:
        return []
    if isinstance(structure, dict):
        items = sorted(structure.items())
    elif isinstance(structure, (tuple, list)):
        items = list(enumerate(structure))
    else:
        return [(name, structure)]
    return [found for key, value in items for found in named("%s.%s" % (name, key), value)]

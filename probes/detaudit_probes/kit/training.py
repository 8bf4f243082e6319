"""The standard training of a tiny model: compile, ``fit``, and a recorder."""

from typing import Any, Dict, NamedTuple, Tuple

from detaudit_probes.kit import batches
from detaudit_probes.kit.models import Tiny


class Fitted(NamedTuple):
    """The model that one ``fit`` of the trial trained, and the number of epochs in which it
    shuffled arrays.
    """

    model: Any
    shuffled_epochs: int


def set_precision(trial: Any) -> None:
    """Set the global dtype policy to the one of the settings: layers use it when they are built."""
    if trial.settings.dtype_policy is not None:
        import keras

        keras.mixed_precision.set_global_policy(trial.settings.dtype_policy)


def compile_model(trial: Any, tiny: Tiny) -> None:
    """``jit_compile`` and ``run_eagerly`` are left at Keras' own defaults unless a setting names
    them.
    """
    settings = trial.settings
    asked = {"jit_compile": settings.jit_compile, "run_eagerly": settings.run_eagerly}
    choices = {name: value for name, value in asked.items() if value is not None}
    tiny.model.compile(optimizer=optimizer(trial, tiny), loss=tiny.loss, **choices)
    # Otherwise the first step creates the optimizer's variables inside its graph, and is traced
    # twice: a third of a tiny trial's time.
    if hasattr(tiny.model.optimizer, "build"):
        tiny.model.optimizer.build(tiny.model.trainable_variables)
    if getattr(tiny.model, "run_eagerly", False):
        trial.count("eager")


def optimizer(trial: Any, tiny: Tiny) -> Any:
    """Return the optimizer of the settings, else the model's, with the ``momentum`` of the
    settings.
    """
    import keras

    name = trial.settings.optimizer or tiny.optimizer
    choices = {"momentum": trial.settings.momentum} if trial.settings.momentum is not None else {}
    return keras.optimizers.get({"class_name": name, "config": choices} if choices else name)


def fit(
    trial: Any,
    recorder: Any,
    tiny: Tiny,
    data: Any = None,
    epochs: Any = None,
    initial_epoch: int = 0,
) -> None:
    """Run one ``fit`` on the arrays, or on ``data`` (a dataset or a ``PyDataset``) in their place.

    ``shuffle`` is passed on in both cases: Keras shuffles the batches of a ``PyDataset`` too, with
    Python's ``random``.
    """
    import keras

    last = epochs or trial.settings.epochs or tiny.epochs
    arguments = {
        "epochs": last,
        "initial_epoch": initial_epoch,
        "shuffle": tiny.shuffle,
        "verbose": 0,
        "callbacks": [recorder.callback(tiny.model)],
    }
    if data is None:
        arguments.update(x=tiny.x, y=tiny.y, batch_size=tiny.batch_size)
    else:
        arguments.update(x=data)
        if hasattr(data, "workers") and not hasattr(keras.utils, "PyDataset"):
            arguments["workers"] = data.workers
    if data is not None and not hasattr(tiny.model, "train_step") and hasattr(data, "__getitem__"):
        del arguments["x"], arguments["shuffle"]
        tiny.model.fit_generator(batches.endless(data), steps_per_epoch=len(data), **arguments)
    else:
        tiny.model.fit(**arguments)
    trial.fitted.append(
        Fitted(tiny.model, last - initial_epoch if tiny.shuffle and data is None else 0)
    )


def flip(tiny: Tiny, place: int) -> None:
    """Flip the last bit of one initial weight, counted over all weights: the smallest difference
    that there is. Behind the last weight, the next bit of the first one follows.
    """
    import numpy

    values = [numpy.array(value) for value in tiny.model.get_weights()]
    bit, place = divmod(place, sum(value.size for value in values))
    for value in values:
        if place < value.size:
            value.reshape(-1).view("uint32")[place] ^= numpy.uint32(1 << bit)
            break
        place -= value.size
    tiny.model.set_weights(values)


def tested(tiny: Tiny) -> Tuple[Dict[str, float], Tuple[int, ...]]:
    """Return the results of a trained classifier on its test, its accuracy in total and by class,
    and the class that it finds likeliest for each example.
    """
    import numpy

    assert tiny.test is not None
    x, y = tiny.test
    likely = numpy.asarray(tiny.model.predict(x, verbose=0), dtype="float64")
    chosen = likely.argmax(axis=1)
    results = {
        "accuracy": float((chosen == y).mean()),
        "loss": float(-numpy.log(numpy.maximum(likely[numpy.arange(len(y)), y], 1e-12)).mean()),
    }
    for kind in range(likely.shape[1]):
        results["accuracy of class %d" % kind] = float((chosen == y)[y == kind].mean())
    return results, tuple(int(one) for one in chosen)


def evaluate(tiny: Tiny) -> float:
    """Return the loss on the arrays that the model was trained on."""
    found = tiny.model.evaluate(tiny.x, tiny.y, batch_size=tiny.batch_size, verbose=0)
    return float(found[0] if isinstance(found, (list, tuple)) else found)

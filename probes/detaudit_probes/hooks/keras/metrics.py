"""Separates the values that Keras reports: losses and metrics of the model itself, which follow
from its outputs, and others beside the training, which a callback or a ``train_step`` adds, or
which are times.
"""

from types import CodeType
from typing import Any, Iterator, List, Tuple

#: Code that uses one of these reads the time: functions of ``time`` and ``datetime``, and
#: ``tf.timestamp``.
CLOCKS = {
    "time",
    "time_ns",
    "perf_counter",
    "perf_counter_ns",
    "monotonic",
    "monotonic_ns",
    "process_time",
    "process_time_ns",
    "thread_time",
    "thread_time_ns",
    "timestamp",
    "now",
    "utcnow",
}
METHODS = ("__init__", "update_state", "result", "reset_state", "reset_states")
#: The packages of Keras' own classes, whose computations are known.
KERAS = ("keras", "tf_keras", "tensorflow")


class Metrics:
    """The metrics of one model that has seen its first batch. ``names`` are its own, in their
    order.
    """

    def __init__(self, model: Any) -> None:
        own = list(_leaves(model))
        self.names = [name for name, _ in own]
        self._times = {name for name, metric in own if asks_for_the_time(metric)}
        # In Keras 2: the compiled metrics and the loss
        known = getattr(model, "metrics_names", None)
        self._known = set(self.names) | set(known if isinstance(known, (list, tuple)) else ())

    def judges(self, name: str) -> bool:
        """Whether the value reported under this name is the training's own. An output's name may
        precede it.
        """
        if name.startswith("val_"):
            name = name[len("val_") :]
        own = [one for one in self._known if name == one or name.endswith("_" + one)]
        if not own:
            return name == "loss" or name.endswith("_loss")
        return max(own, key=len) not in self._times

    def results(self, value: Any) -> List[Tuple[str, Any]]:
        """Return the result of ``evaluate`` or ``train_on_batch`` by name; nothing if the names are
        unknown.
        """
        if isinstance(value, dict):
            return sorted(value.items())
        values = list(value) if isinstance(value, (list, tuple)) else [value]
        names = self.names if len(self.names) == len(values) else ["loss"]
        return list(zip(names, values)) if len(names) == len(values) else []


def _leaves(model: Any) -> Iterator[Tuple[str, Any]]:
    """Return the metrics of a model's report, each with its name, in the order of the report."""
    try:
        metrics = list(model.metrics)
    except Exception:  # not compiled, or a model of the user's own without metrics
        return
    for one in metrics:
        for leaf in getattr(one, "metrics", None) or [one]:
            if isinstance(getattr(leaf, "name", None), str):
                yield leaf.name, leaf


def asks_for_the_time(metric: Any) -> bool:
    """Whether a user's own metric reads the time: then it does not depend on the outputs only."""
    codes = [getattr(getattr(metric, "_fn", None), "__code__", None)]
    for kind in type(metric).__mro__:
        if kind.__module__.partition(".")[0] not in KERAS:
            codes += [getattr(vars(kind).get(name), "__code__", None) for name in METHODS]
    return any(code is not None and bool(CLOCKS & set(_names(code))) for code in codes)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)

"""Which of the values that Keras reports of a training are losses and metrics of the model's own,
which follow from its outputs. Others stand beside the training: what a callback or a ``train_step``
adds, and metrics that are times.
"""

from types import CodeType
from typing import Any, Iterator, List, Tuple

#: Who asks one of these for something asks for the time: functions of ``time`` and ``datetime``,
#: and ``tf.timestamp``.
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
#: Where Keras' own classes stand: what they compute is known.
KERAS = ("keras", "tf_keras", "tensorflow")


class Metrics:
    """Of one model, when it has seen its first batch. ``names`` are those of its own, in their
    order.
    """

    def __init__(self, model: Any) -> None:
        own = list(_leaves(model))
        self.names = [name for name, _ in own]
        self._times = {name for name, metric in own if asks_for_the_time(metric)}
        # In Keras 2 those that were compiled, and the loss
        known = getattr(model, "metrics_names", None)
        self._known = set(self.names) | set(known if isinstance(known, (list, tuple)) else ())

    def judges(self, name: str) -> bool:
        """Whether what is reported by this name is the training's own. An output's name may come
        first.
        """
        if name.startswith("val_"):
            name = name[len("val_") :]
        own = [one for one in self._known if name == one or name.endswith("_" + one)]
        if not own:
            return name == "loss" or name.endswith("_loss")
        return max(own, key=len) not in self._times

    def results(self, value: Any) -> List[Tuple[str, Any]]:
        """What ``evaluate`` or ``train_on_batch`` has returned, by name; nothing where the names
        are not known.
        """
        if isinstance(value, dict):
            return sorted(value.items())
        values = list(value) if isinstance(value, (list, tuple)) else [value]
        names = self.names if len(self.names) == len(values) else ["loss"]
        return list(zip(names, values)) if len(names) == len(values) else []


def _leaves(model: Any) -> Iterator[Tuple[str, Any]]:
    """The metrics that a model's report is made of, each with its name, in the order of the
    report.
    """
    try:
        metrics = list(model.metrics)
    except Exception:  # not compiled, or a model of the user's own that has none to tell
        return
    for one in metrics:
        for leaf in getattr(one, "metrics", None) or [one]:
            if isinstance(getattr(leaf, "name", None), str):
                yield leaf.name, leaf


def asks_for_the_time(metric: Any) -> bool:
    """Whether the code of a metric of the user's own asks for the time: then it is no function of
    the outputs alone.
    """
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

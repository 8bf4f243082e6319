"""Observing Keras 2: a package with backends (2.0 to 2.3, on Theano and TensorFlow 1), then
``tf.keras`` (TensorFlow 2).

The observations of a step are its batch, the loss and the metrics that ``fit`` passes to callbacks,
and the weights and the optimizer's state after it. A training loop of the user's own is observed at
its calls of ``train_on_batch`` and, on TensorFlow 2, of an optimizer's ``apply_gradients``, or of
the ``tf.function`` that contains it.
"""

import importlib
import threading
from typing import Any, List

from detaudit_probes import backends
from detaudit_probes.hooks.keras.tensorflow import tapped
from detaudit_probes.hooks.keras.tf_function import (
    Functions,
    State,
    follow_inputs,
    follow_iterators,
    is_first_replica,
    is_replica,
)
from detaudit_probes.hooks.keras.tf_variables import Updates
from detaudit_probes.hooks.keras.training_hooks import TrainingHooks
from detaudit_probes.hooks.names import path_of
from detaudit_probes.hooks.values import gradients


class Keras2Hooks(TrainingHooks):
    """On Theano and TensorFlow 1. ``keras`` is the module that the script trains with."""

    callbacks_place = {"fit": 6, "fit_generator": 5}
    replays = False
    of_graphs = True

    def __init__(self, session: Any, recorder: Any, keras: Any, adapter: str) -> None:
        super().__init__(session, recorder, keras)
        self._backend = backends.get(adapter)

    def trainer(self) -> Any:
        return self.keras.models.Model

    def read(self, variable: Any) -> Any:
        return self._backend.read(variable)

    def applied(self, model: Any) -> List[Any]:
        return (
            [State(self._backend.optimizer_variables(model), [])]
            if hasattr(model, "optimizer")
            else []
        )

    def variables(self) -> None:
        """Record every weight that a layer creates. It gets its initial value at the
        first ``fit``.
        """

        def wrapper(original: Any) -> Any:
            def add_weight(layer: Any, *arguments: Any, **named: Any) -> Any:
                variable = original(layer, *arguments, **named)
                self.recorder.made(
                    "init", path_of(variable), variable, self, self.has_value(variable)
                )
                return variable

            return add_weight

        def clearing(original: Any) -> Any:
            def clear_session() -> None:
                self.recorder.settle()
                original()

            return clear_session

        self.session.wrap(self.keras.layers.Layer, "add_weight", wrapper)
        if self.of_graphs:
            self.recorder.of_graphs = True
            self.session.wrap(self.keras.backend, "clear_session", clearing)

    @staticmethod
    def has_value(variable: Any) -> bool:
        """A variable of a graph is read only when its session runs anyway: an earlier read would
        initialize it earlier.
        """
        return False

    def began(self, model: Any) -> None:
        self.recorder.filled()

    def ready(self, model: Any) -> None:
        """Before a step of ``train_on_batch``: initialize the variables as the step would, and read
        them.
        """
        model._make_train_function()
        self.began(model)

    def batches(self) -> None:
        """Observe the arguments of a step's compiled function: the arrays of its batch."""

        def wrapper(original: Any) -> Any:
            def _make_train_function(model: Any) -> None:
                made = getattr(model, "train_function", None) is None
                original(model)
                if made:
                    model.train_function = self._counting(model.train_function)

            return _make_train_function

        self.session.wrap(self.trainer(), "_make_train_function", wrapper)

    def _counting(self, original: Any) -> Any:
        def train_function(inputs: Any) -> Any:
            if self.recorder.recording:
                self.recorder.batch(
                    [("batch.%d" % place, value) for place, value in enumerate(inputs)]
                )
            return original(inputs)

        return train_function

    def loops(self) -> None:
        """Observe ``train_on_batch``, whoever calls it: inside ``fit_generator`` it is one of its
        steps.
        """

        def done(model: Any) -> None:
            self._step(
                [State(self._backend.optimizer_variables(model), model.trainable_weights)], []
            )

        self.session.wrap(self.trainer(), "train_on_batch", self.stepping(done, self.ready))


class TfKerasHooks(Keras2Hooks):
    """On TensorFlow 2: variables have values immediately, and batches come from ``tf.data``."""

    of_graphs = False
    is_replica = staticmethod(is_replica)

    def __init__(self, session: Any, recorder: Any, keras: Any, adapter: str) -> None:
        super().__init__(session, recorder, keras, adapter)
        self.functions = Functions(self)
        self.updates = Updates(self, self.functions)
        # One optimizer's ``apply_gradients`` calls that of the class above
        self._applying = threading.local()

    def variables(self) -> None:
        super().variables()
        self.functions.follow()
        self.updates.follow()

    def ready(self, model: Any) -> None:
        """Does nothing: the variables have values."""

    @staticmethod
    def has_value(variable: Any) -> bool:
        import tensorflow as tf

        return tf.executing_eagerly() and hasattr(variable, "numpy")

    def batches(self) -> None:
        self.tap_first(getattr(self._module("data_adapter"), "DataHandler", None))  # since 2.2
        self.batches_given()
        follow_iterators(self)
        follow_inputs(self, self.keras.layers.Layer)

    def tap(self, iterator: Any) -> None:
        iterator._dataset = tapped(iterator._dataset, self.look)

    def look(self, dataset: Any, tensors: Any) -> None:
        self.recorder.batch([("batch.%d" % place, tensor) for place, tensor in enumerate(tensors)])

    def _module(self, name: str) -> Any:
        """Return a module beside the one of ``Model``: Keras moved twice."""
        try:
            return importlib.import_module(
                self.trainer().__module__.rpartition(".")[0] + "." + name
            )
        except ImportError:
            return None

    def loops(self) -> None:
        import tensorflow as tf

        super().loops()

        def applying(original: Any) -> Any:
            def apply_gradients(
                optimizer: Any, grads_and_vars: Any, *arguments: Any, **named: Any
            ) -> Any:
                pairs, outermost = list(grads_and_vars), not hasattr(self._applying, "now")
                self._applying.now = True
                try:
                    result = original(optimizer, pairs, *arguments, **named)
                finally:
                    if outermost:
                        del self._applying.now
                if outermost:
                    self.updates.applied()
                    weights, state = (
                        [variable for _, variable in pairs],
                        list(optimizer.variables()),
                    )
                    if not tf.executing_eagerly():
                        self.functions.met(optimizer, weights, state)
                    elif (
                        self.recorder.counting
                        and not self.recorder.inside_fit
                        and is_first_replica()
                    ):
                        self._step(
                            [State(state, weights)], gradients([gradient for gradient, _ in pairs])
                        )
                return result

            return apply_gradients

        for kind in _optimizers(self.keras):
            self.session.wrap(kind, "apply_gradients", applying)


#: The modules of the classes that define ``apply_gradients``: from 2.11 on there are two, the older
#: one as ``legacy``.
OPTIMIZERS = (
    "tensorflow.python.keras.optimizer_v2.optimizer_v2",
    "keras.optimizer_v2.optimizer_v2",
    "keras.optimizers.optimizer_v2.optimizer_v2",
    "keras.optimizers.legacy.optimizer_v2",
    "keras.optimizers.optimizer",
    "keras.optimizers.optimizer_experimental.optimizer",
    "keras.src.optimizers.legacy.optimizer_v2",
    "keras.src.optimizers.optimizer",
    "tf_keras.src.optimizers.legacy.optimizer_v2",
    "tf_keras.src.optimizers.optimizer",
)


def _optimizers(keras: Any) -> List[Any]:
    package, found = keras.models.Model.__module__.partition(".")[0], {}
    for name in OPTIMIZERS:
        if name.startswith(package + "."):
            try:
                module = importlib.import_module(name)
            except ImportError:
                continue
            for kind in vars(module).values():
                if isinstance(kind, type) and "apply_gradients" in vars(kind):
                    found[id(kind)] = kind
    return list(found.values())

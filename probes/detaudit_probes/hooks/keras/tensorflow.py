"""Observing Keras 3 on TensorFlow: its graphs, its datasets, and training loops with
``GradientTape``.

Nothing is added to the graph of a training. Batches are observed as they leave ``tf.data``, before
the step that uses them. A training loop of the user's own is observed when it calls
``optimizer.apply``, or the ``tf.function`` that does.
"""

from typing import Any, Callable, List

from detaudit_probes.backends import tensorflow
from detaudit_probes.hooks.keras.tf_function import (
    Functions,
    follow_inputs,
    follow_iterators,
    is_first_replica,
    is_replica,
)
from detaudit_probes.hooks.keras.tf_variables import Updates
from detaudit_probes.hooks.keras.training_hooks import STATES, TrainingHooks
from detaudit_probes.hooks.names import path_of
from detaudit_probes.hooks.values import gradients, is_readable, read
from detaudit_probes.recording import on_device


class TensorFlowHooks(TrainingHooks):
    is_replica = staticmethod(is_replica)

    def __init__(self, session: Any, recorder: Any, keras: Any) -> None:
        super().__init__(session, recorder, keras)
        self.functions = Functions(self)
        self.updates = Updates(self, self.functions)

    def follow_steps(self, pinpoint: Any) -> None:
        pinpoint.on("tensorflow")

    def read(self, variable: Any) -> Any:
        return read(variable)

    def first(self, variable: Any) -> Any:
        return on_device.of_variable(tensorflow, variable, read)

    def read_each(self, variables: List[Any]) -> List[Any]:
        return on_device.of_variables(tensorflow, variables, read)

    def variables(self) -> None:
        """Record the initial value of every variable that Keras creates, named by its path."""
        from keras.src.backend.tensorflow.core import Variable
        from tensorflow.python.eager import context

        def wrapper(original: Any) -> Any:
            def _initialize(variable: Any, value: Any) -> None:
                original(variable, value)
                path = path_of(variable)
                stage = "rng" if path.endswith(STATES) else "init"
                # A variable created while a function is traced has no value yet.
                self.recorder.made(stage, path, variable, self, context.executing_eagerly())

            return _initialize

        self.session.wrap(Variable, "_initialize", wrapper)
        self.functions.follow()
        self.updates.follow()

    def batches(self) -> None:
        """Observe the batches of ``fit``, of ``train_on_batch``, and of datasets that a script
        iterates itself.
        """
        from keras.src.layers.layer import Layer

        super().batches()
        follow_iterators(self)
        follow_inputs(self, Layer)

    def train_on_batch(
        self, original: Any, model: Any, x: Any, y: Any, *arguments: Any, **named: Any
    ) -> Any:
        """Run the step; if it is the one to be replayed, replay it afterwards."""
        plain = not arguments and not set(named) - {"return_dict"}
        pinned = self.recorder.pinpoint if plain and not self.recorder.inside_fit else None
        taken = pinned is not None and pinned.take()
        if not taken:
            return original(model, x, y, *arguments, **named)

        def again() -> Any:
            return original(model, x, y, **named)

        result = pinned.tried(again)
        pinned.replay("train_on_batch", lambda: model.train_step(_tensors((x, y))), again)
        return result

    def tap(self, iterator: Any) -> None:
        make = iterator.data_adapter.get_tf_dataset
        iterator.data_adapter.get_tf_dataset = lambda: tapped(make(), self.look)

    def look(self, dataset: Any, tensors: Any) -> None:
        self.recorder.batch([("batch.%d" % place, tensor) for place, tensor in enumerate(tensors)])
        if self.recorder.pinpoint is not None:
            self.raw.append((dataset.element_spec, [tensor.copy() for tensor in tensors]))

    def loops(self) -> None:
        """Observe steps outside of ``fit``: eager updates, and calls of a ``tf.function`` that
        updates.
        """
        from keras.src.optimizers.base_optimizer import BaseOptimizer
        from tensorflow.python.eager import context
        from tensorflow.python.eager.backprop import GradientTape

        def applying(original: Any) -> Any:
            def apply(optimizer: Any, grads: Any, trainable_variables: Any = None) -> Any:
                grads = list(grads)
                result = original(optimizer, grads, trainable_variables)
                self.updates.applied()
                if not context.executing_eagerly():
                    self.functions.met(
                        optimizer, optimizer._trainable_variables, optimizer.variables
                    )
                elif self.recorder.counting and self.recorder.inside_fit:
                    self._met(optimizer)
                elif self.recorder.counting and is_first_replica():
                    self._step([optimizer], gradients(grads))
                return result

            return apply

        def entering(original: Any) -> Any:
            def __enter__(tape: Any) -> Any:
                if (
                    self.recorder.counting
                    and context.executing_eagerly()
                    and not self.recorder.inside_fit
                ):
                    self.recorder.pinpoint.begin_live(self.updates.pending)
                return original(tape)

            return __enter__

        if self.session.orders.eager:
            self.session.wrap(GradientTape, "__enter__", entering)
        self.session.wrap(BaseOptimizer, "apply", applying)

    def replay_fit(self, model: Any, batches: int) -> None:
        """Replay the step of ``fit`` that has just run; if it used one batch, also as it was
        compiled.
        """
        import tensorflow as tf

        if not self.raw:
            return  # distributed by the user
        spec, tensors = self.raw[0]
        data = tf.nest.pack_sequence_as(
            spec, [tf.constant(one) for one in tensors], expand_composites=True
        )

        def compiled() -> Any:
            return model.train_function(iter(tf.data.Dataset.from_tensors(data).repeat()))

        self.recorder.pinpoint.replay(
            "fit", lambda: model.train_step(data), compiled if batches == 1 else None
        )


def tapped(dataset: Any, look: Callable[[Any, Any], None]) -> Any:
    """Return the dataset with a serial map at its very end that observes each element:
    ``look(dataset, arrays)``.
    """
    import tensorflow as tf

    if not isinstance(dataset, tf.data.Dataset):
        return dataset  # distributed by the user: its batches are not observed

    def same(tensor: Any) -> Any:
        return tf.identity(tensor) if is_readable(tensor) else tensor

    def looked(*tensors: Any) -> None:
        look(dataset, tensors)

    def tap(*element: Any) -> Any:
        # A named tuple stays a named tuple
        whole = element if type(dataset.element_spec) is tuple else element[0]
        tensors = [
            one for one in tf.nest.flatten(whole, expand_composites=True) if is_readable(one)
        ]
        with tf.control_dependencies([tf.numpy_function(looked, tensors, [])]):
            return tf.nest.map_structure(same, whole, expand_composites=True)

    return dataset.map(tap)


def _tensors(data: Any) -> Any:
    import tensorflow as tf

    return tf.nest.map_structure(
        lambda one: None if one is None else tf.convert_to_tensor(one), data
    )

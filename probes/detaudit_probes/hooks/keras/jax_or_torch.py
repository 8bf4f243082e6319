"""Observing Keras 3 if a step is not a graph of TensorFlow: on JAX and on Torch.

Batches are observed when the epoch's iterator returns them. A step of the user's own is observed
when it calls ``apply`` or ``stateless_apply`` of one of Keras' optimizers. What a script updates by
other means (``torch.optim``) is read at exit, with the variables of Keras.
"""

from typing import Any, Callable, Iterator, List, Tuple

from detaudit_probes import backends
from detaudit_probes.hooks.keras.training_hooks import STATES, TrainingHooks
from detaudit_probes.hooks.names import path_of
from detaudit_probes.hooks.values import tensors_in
from detaudit_probes.recording import on_device


class PlainHooks(TrainingHooks):
    # A ``LossScaleOptimizer`` calls the ``stateless_apply`` of its inner optimizer
    _applying = False

    def __init__(self, session: Any, recorder: Any, keras: Any) -> None:
        self._backend = backends.get(keras.backend.backend())
        super().__init__(session, recorder, keras)

    def follow_steps(self, pinpoint: Any) -> None:
        """Follow the function that ``fit`` and ``train_on_batch`` call for a step, when it is
        created.
        """
        from keras.src.models.model import Trainer

        def making(original: Any) -> Any:
            def make_train_function(model: Any, *arguments: Any, **named: Any) -> Any:
                original(model, *arguments, **named)
                pinpoint.follow(model)

            return make_train_function

        pinpoint.on(self.keras.backend.backend())
        self.session.wrap(Trainer, "make_train_function", making)

    def read(self, variable: Any) -> Any:
        return self._backend.read(variable)

    def first(self, variable: Any) -> Any:
        return on_device.of_variable(self._backend, variable, self.read)

    def view(self, variable: Any) -> Any:
        """Like :meth:`read`, for what is fingerprinted before the next step."""
        return self._backend.view(variable)

    def read_each(self, variables: List[Any]) -> List[Any]:
        return on_device.of_variables(self._backend, variables, self.view)

    def sync(self, model: Any) -> None:
        self._backend.sync(model)

    def variables(self) -> None:
        """Record the initial value of every variable that Keras creates, named by its path."""
        from keras.src import backend

        def wrapper(original: Any) -> Any:
            def _initialize(variable: Any, value: Any) -> None:
                original(variable, value)
                path = path_of(variable)
                self.recorder.made(
                    "rng" if path.endswith(STATES) else "init", path, variable, self, True
                )

            return _initialize

        self.session.wrap(backend.Variable, "_initialize", wrapper)

    def tap(self, iterator: Any) -> None:
        make = iterator._get_iterator
        iterator._get_iterator = lambda: _Tapped(make(), self.look)

    def look(self, batch: Any) -> None:
        self.recorder.batch(
            [(name, self._backend.read(tensor)) for name, tensor in tensors_in("batch", batch)]
        )

    def loops(self) -> None:
        """Observe steps outside of ``fit``: ``train_on_batch``, and updates by an optimizer of
        Keras.
        """
        from keras.src.backend.common.stateless_scope import in_stateless_scope
        from keras.src.layers.layer import Layer
        from keras.src.models.model import Trainer
        from keras.src.optimizers.base_optimizer import BaseOptimizer
        from keras.src.optimizers.loss_scale_optimizer import LossScaleOptimizer

        def applying(original: Any) -> Any:
            def apply(optimizer: Any, grads: Any, trainable_variables: Any = None) -> Any:
                grads = list(grads)
                result = original(optimizer, grads, trainable_variables)
                if self.recorder.counting and self.recorder.inside_fit:
                    self._met(optimizer)
                elif self.recorder.counting and not in_stateless_scope() and not traced(grads):
                    self._step([optimizer], self._gradients(grads))
                return result

            return apply

        def applying_stateless(original: Any) -> Any:
            def stateless_apply(
                optimizer: Any, optimizer_variables: Any, grads: Any, trainable_variables: Any
            ) -> Any:
                grads, outermost = list(grads), not self._applying
                self._applying = True
                try:
                    weights, state = original(
                        optimizer, optimizer_variables, grads, trainable_variables
                    )
                finally:
                    self._applying = not outermost
                if outermost and self.recorder.counting and not self.recorder.inside_fit:
                    self.applied_stateless(
                        grads,
                        _leaves(optimizer._trainable_variables, weights),
                        _leaves(optimizer.variables, state),
                    )
                return weights, state

            return stateless_apply

        def entering(original: Any) -> Any:
            def __call__(layer: Any, *arguments: Any, **named: Any) -> Any:
                if (
                    self.recorder.counting
                    and not self.recorder.inside_fit
                    and self.recorder.pinpoint.begin_live()
                ):
                    return Layer.__call__(layer, *arguments, **named)  # distinguished from now on
                return original(layer, *arguments, **named)

            return __call__

        if self.session.orders.eager and self.keras.backend.backend() == "torch":
            self.session.wrap(Layer, "__call__", entering)
        self.session.wrap(
            Trainer,
            "train_on_batch",
            self.stepping(lambda model: self._step(self.applied(model), [])),
        )
        self.session.wrap(BaseOptimizer, "apply", applying)
        for kind in (BaseOptimizer, LossScaleOptimizer):
            self.session.wrap(kind, "stateless_apply", applying_stateless)

    def applied_stateless(
        self, grads: List[Any], weights: List["Leaf"], state: List["Leaf"]
    ) -> None:
        """Record a step that leaves the variables unchanged and returns their new values: the
        ``weights``, and the optimizer's ``state``.
        """
        self.step(self._gradients(grads), weights, [Stated(state)])

    def _gradients(self, grads: List[Any]) -> List[Tuple[str, str, Any]]:
        there = [place for place, one in enumerate(grads) if one is not None]
        return [
            ("gradient", "gradient.%d" % place, value)
            for place, value in zip(there, self.read_each([grads[place] for place in there]))
        ]


def traced(values: Any) -> bool:
    """Whether JAX is tracing: there is nothing to read, and no step is made."""
    return any(type(one).__name__.endswith("Tracer") for one in values)


class Leaf:
    """One tensor of a state that a step returns, observed like the variable that it stands for
    (``path``).
    """

    def __init__(self, path: str, value: Any) -> None:
        self.path, self.value, self.shape = path, value, value.shape


class Stated:
    """The state of an optimizer that is applied to its arguments."""

    def __init__(self, variables: List[Leaf]) -> None:
        self.variables = variables


def _leaves(variables: Any, values: Any) -> List[Leaf]:
    return [Leaf(path_of(one), value) for one, value in zip(variables, values)]


class _Tapped:
    """A loader whose batches are observed. It begins a pass only when it is asked to, because
    Torch's loader draws a seed then.
    """

    def __init__(self, loader: Any, look: Callable[[Any], None]) -> None:
        self._loader, self._look = loader, look

    def __iter__(self) -> Iterator[Any]:
        return self._pass(iter(self._loader))

    def _pass(self, batches: Iterator[Any]) -> Iterator[Any]:
        for batch in batches:
            self._look(batch)
            yield batch

"""Observations of Keras that are the same on every backend: ``fit`` gets one more callback, and
results are read.

Nothing is added to what a training computes.
"""

from typing import Any, Callable, List, Tuple

from detaudit_probes.hooks.keras.classes import likeliest
from detaudit_probes.hooks.keras.metrics import Metrics
from detaudit_probes.hooks.values import array, is_plain, tensors_in

#: Keras creates these for itself, or keeps a generator's state in them: they are not results.
STATES = ("seed_generator_state",)
#: What Keras 2 passes to a callback of a batch beside its metrics.
COUNTS = ("batch", "size")


class TrainingHooks:
    """``read`` returns the bits of a variable, ``sync`` brings a model's up to date while ``fit``
    runs. ``first`` and ``read_each`` return what is recorded of variables; for variables on a card,
    these need not be their bits.

    ``callbacks_place`` says which methods train with callbacks, and at which positional argument.
    """

    callbacks_place = {"fit": 6}
    adapter = ""  # its name
    replays = True  # whether its steps can be replayed

    def __init__(self, session: Any, recorder: Any, keras: Any) -> None:
        self.session, self.recorder, self.keras = session, recorder, keras
        if self.replays and recorder.pinpoint is not None:
            self.follow_steps(recorder.pinpoint)
        self._optimizers: List[Any] = []  # the optimizers applied since the last recorded step
        self._feeding = False
        # The loaded and unused batches of ``fit``, if a step is replayed
        self.raw: List[Any] = []

    def read(self, variable: Any) -> Any:
        raise NotImplementedError

    def first(self, variable: Any) -> Any:
        return self.read(variable)

    def read_each(self, variables: List[Any]) -> List[Any]:
        return [self.read(variable) for variable in variables]

    def follow_steps(self, pinpoint: Any) -> None:
        """Follow the steps of this backend, one of which is to be replayed."""
        raise NotImplementedError

    def sync(self, model: Any) -> None:
        """Does nothing if the variables contain the state."""

    def trainer(self) -> Any:
        """Return the class whose ``fit``, ``evaluate`` and ``predict`` a model has."""
        from keras.src.models.model import Trainer

        return Trainer

    def began(self, model: Any) -> None:
        """Note that a training begins: every variable of the model exists."""

    def fit(self) -> None:
        def wrapper(place: int) -> Any:
            return lambda original: self._fit(original, place)

        for name, place in self.callbacks_place.items():
            self.session.wrap(self.trainer(), name, wrapper(place))

    def _fit(self, original: Any, place: int) -> Any:
        def fit(model: Any, *arguments: Any, **named: Any) -> Any:
            recorder = self.recorder
            if not recorder.begins_fit():
                return original(model, *arguments, **named)
            callback = _callback(self, model)
            if len(arguments) >= place:
                before, mine, after = (
                    arguments[: place - 1],
                    arguments[place - 1],
                    arguments[place:],
                )
                arguments = before + (_with(mine, callback),) + after
            else:
                named["callbacks"] = _with(named.get("callbacks"), callback)
            recorder.generators("at fit")
            self._feeding = True
            try:
                with recorder.fitting():
                    return original(model, *arguments, **named)
            finally:
                self._feeding = False
                del self._optimizers[:]

        return fit

    @staticmethod
    def is_replica() -> bool:
        """Whether this thread trains for another, which waits for it."""
        return False

    def _met(self, optimizer: Any) -> None:
        """Note that an optimizer is applied while ``fit`` runs."""
        if not self.recorder.in_fit() and not self.is_replica():
            self.recorder.side_by_side()
        elif not any(one is optimizer for one in self._optimizers):
            self._optimizers.append(optimizer)

    def applied(self, model: Any) -> List[Any]:
        """Return the optimizers of a model's training: its own, and others that its step has
        applied.
        """
        mine = [model.optimizer] if getattr(model, "optimizer", None) is not None else []
        mine = [getattr(one, "inner_optimizer", one) for one in mine]
        return mine + [one for one in self._optimizers if not any(one is other for other in mine)]

    def _step(self, optimizers: List[Any], returned: List[Tuple[str, str, Any]]) -> None:
        weights: List[Any] = []
        for optimizer in optimizers:
            weights += [
                one
                for one in optimizer._trainable_variables
                if not any(one is other for other in weights)
            ]
        self.step(returned, weights, optimizers)

    def step(
        self, returned: List[Tuple[str, str, Any]], weights: List[Any], optimizers: List[Any]
    ) -> None:
        """Record a step outside of ``fit``."""
        recorder = self.recorder
        pinpoint = recorder.pinpoint
        if pinpoint is not None and recorder.steps == pinpoint.step:
            pinpoint.end_live()
        recorder.step("loop", recorder.steps, None, returned, weights, optimizers, self)

    def stepping(
        self, done: Callable[[Any], None], ready: Callable[[Any], None] = lambda model: None
    ) -> Any:
        """For ``train_on_batch`` outside of ``fit``: call ``ready(model)`` before and
        ``done(model)`` after the step.
        """

        def wrapper(original: Any) -> Any:
            def train_on_batch(model: Any, *arguments: Any, **named: Any) -> Any:
                recorder = self.recorder
                if not recorder.begins_fit():
                    return original(model, *arguments, **named)
                ready(model)
                try:
                    with recorder.fitting():
                        result = original(model, *arguments, **named)
                finally:
                    del self._optimizers[:]
                done(model)
                if recorder.recording:
                    self._returned(model, result)
                return result

            return train_on_batch

        return wrapper

    def _returned(self, model: Any, result: Any) -> None:
        """Record what ``train_on_batch`` returns to the script."""
        metrics = Metrics(model)
        for name, value in metrics.results(result):
            if metrics.judges(name):
                self.recorder.result("train", name, value)

    def batches(self) -> None:
        """Observe the batches of ``fit`` where its iterator gets them (:meth:`tap`), and those of
        ``train_on_batch`` among its arguments.
        """
        from keras.src.trainers.epoch_iterator import EpochIterator

        self.tap_first(EpochIterator)
        self.batches_given()

    def tap_first(self, owner: Any) -> None:
        """:meth:`tap` the first iterator that ``fit`` creates: it is the training's; the others are
        for validation.
        """

        def tapping(original: Any) -> Any:
            def __init__(iterator: Any, *arguments: Any, **named: Any) -> None:
                original(iterator, *arguments, **named)
                if self._feeding:
                    self._feeding = False
                    self.tap(iterator)

            return __init__

        self.session.wrap(owner, "__init__", tapping)

    def tap(self, iterator: Any) -> None:
        raise NotImplementedError

    def batches_given(self) -> None:
        """Observe the arguments of ``train_on_batch``: they are the batch of its step."""

        def wrapper(original: Any) -> Any:
            def train_on_batch(
                model: Any, x: Any, y: Any = None, *arguments: Any, **named: Any
            ) -> Any:
                if self.recorder.recording and not self.recorder.inside_fit:
                    self.recorder.batch(
                        tensors_in("batch", [one for one in (x, y) if one is not None])
                    )
                return self.train_on_batch(original, model, x, y, *arguments, **named)

            return train_on_batch

        self.session.wrap(self.trainer(), "train_on_batch", wrapper)

    def train_on_batch(
        self, original: Any, model: Any, x: Any, y: Any, *arguments: Any, **named: Any
    ) -> Any:
        """Run the step itself, with Keras' ``original`` method."""
        return original(model, x, y, *arguments, **named)

    def replay_fit(self, model: Any, batches: int) -> None:
        raise NotImplementedError

    def results(self) -> None:
        """Record what ``evaluate`` and ``predict`` return to the script."""

        def evaluating(original: Any) -> Any:
            def evaluate(model: Any, *arguments: Any, **named: Any) -> Any:
                value = original(model, *arguments, **named)
                if self.recorder.recording and not self.recorder.inside_fit:
                    self.evaluated(model, value)
                return value

            return evaluate

        def predicting(original: Any) -> Any:
            def predict(model: Any, *arguments: Any, **named: Any) -> Any:
                value = original(model, *arguments, **named)
                if self.recorder.recording and not self.recorder.inside_fit:
                    for name, found in tensors_in("predict", value):
                        self.recorder.once("forward", name, found)
                    classes = likeliest(model, value)
                    if classes:
                        given = tensors_in("x", arguments[0] if arguments else named.get("x"))
                        self.recorder.classified([one for _, one in given], classes)
                return value

            return predict

        self.session.wrap(self.trainer(), "evaluate", evaluating)
        self.session.wrap(self.trainer(), "predict", predicting)

    def evaluated(self, model: Any, value: Any) -> None:
        metrics = Metrics(model)
        results = metrics.results(value)
        for name, found in results or tensors_in("evaluate", value):
            if results and not metrics.judges(name):
                self.recorder.beside("metric", "evaluate %s" % name, array(found))
                continue
            self.recorder.once("metric", "evaluate %s" % name if results else name, array(found))
            self.recorder.result("evaluation", name, found)


def _with(callbacks: Any, mine: Any) -> Any:
    if callbacks is None:
        return [mine]
    # The user's own CallbackList
    if hasattr(callbacks, "append") and not isinstance(callbacks, list):
        callbacks.append(mine)
        mine.set_model(callbacks.model)
        return callbacks
    return list(callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]) + [mine]


def _callback(hooks: TrainingHooks, model: Any) -> Any:
    recorder = hooks.recorder

    class RecordingCallback(hooks.keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.begun, self.taken, self.metrics = 0, False, None

        def on_train_begin(self, logs=None):
            recorder.drop_batches()
            del hooks.raw[:]
            hooks.began(model)

        def on_train_batch_begin(self, batch, logs=None):
            self.begun = batch
            self.taken = (
                hooks.replays and recorder.pinpoint is not None and recorder.pinpoint.take_in_fit()
            )

        def on_train_batch_end(self, batch, logs=None):
            if self.taken:
                hooks.replay_fit(model, batch - self.begun + 1)
            del hooks.raw[: batch - self.begun + 1]
            returned = [
                ("loss" if name == "loss" else "metric", name, value)
                for name, value in self._judged(logs, "train")
            ]
            hooks.sync(model)
            recorder.step(
                "fit",
                recorder.steps,
                batch - self.begun + 1,
                returned,
                model.weights,
                hooks.applied(model),
                hooks,
            )

        # Keras' names before 2.3; versions that know both names do not call these.
        on_batch_begin, on_batch_end = on_train_batch_begin, on_train_batch_end

        def on_epoch_end(self, epoch, logs=None):
            validated = {
                name: value for name, value in (logs or {}).items() if name.startswith("val_")
            }
            for name, value in self._judged(validated, "validation"):
                recorder.once("metric", "%s after an epoch" % name, value)

        def _judged(self, logs, group):
            """Return the training's reported values by name, and record those beside it
            separately.
            """
            if self.metrics is None:
                self.metrics = Metrics(model)
            judged = []
            for name, value in sorted((logs or {}).items()):
                if not is_plain(value) or name in COUNTS:
                    continue
                if self.metrics.judges(name):
                    judged.append((name, array(value)))
                    recorder.result(group, name, judged[-1][1])
                else:
                    recorder.beside("metric", name, array(value))
            return judged

    return RecordingCallback()

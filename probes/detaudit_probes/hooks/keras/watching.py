"""What is watched of Keras on every backend: ``fit`` gets one more callback, and results are looked
at.

Nothing is added to what a training computes.
"""

from typing import Any, Callable, List, Tuple

from detaudit_probes.hooks.keras.metrics import Metrics
from detaudit_probes.hooks.values import array, is_plain, tensors_in

#: Keras makes these for itself, or keeps a generator's state in them: they are no results.
STATES = ("seed_generator_state",)
#: What Keras 2 told a callback of a batch beside its metrics.
COUNTS = ("batch", "size")


class Watching:
    """``read`` gives the bits of a variable, ``sync`` brings a model's up to date while ``fit``
    runs. ``first`` and ``read_each`` give what is recorded of variables: where they lie on a card,
    it need not be their bits.

    ``callbacks_place`` says which methods train with callbacks, and where these are among the
    positional arguments.
    """

    callbacks_place = {"fit": 6}
    adapter = ""  # its name
    replays = True  # whether a step of its can be replayed

    def __init__(self, session: Any, recorder: Any, keras: Any) -> None:
        self.session, self.recorder, self.keras = session, recorder, keras
        if self.replays and recorder.pinpoint is not None:
            self.follow_steps(recorder.pinpoint)
        self._optimizers: List[Any] = []  # those that were applied since the last step was recorded
        self._feeding = False
        # The batches of ``fit`` that were loaded and not used, where a step is replayed
        self.raw: List[Any] = []

    def read(self, variable: Any) -> Any:
        raise NotImplementedError

    def first(self, variable: Any) -> Any:
        return self.read(variable)

    def read_each(self, variables: List[Any]) -> List[Any]:
        return [self.read(variable) for variable in variables]

    def follow_steps(self, pinpoint: Any) -> None:
        """A step is to be replayed, which is one of this backend's."""
        raise NotImplementedError

    def sync(self, model: Any) -> None:
        """Nothing, where the variables hold the state."""

    def trainer(self) -> Any:
        """The class whose ``fit``, ``evaluate`` and ``predict`` a model has."""
        from keras.src.models.model import Trainer

        return Trainer

    def began(self, model: Any) -> None:
        """A training begins: every variable of the model is there."""

    def fit(self) -> None:
        def telling(place: int) -> Any:
            return lambda original: self._fit(original, place)

        for name, place in self.callbacks_place.items():
            self.session.wrap(self.trainer(), name, telling(place))

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
        """An optimizer is applied while ``fit`` runs."""
        if not self.recorder.in_fit() and not self.is_replica():
            self.recorder.side_by_side()
        elif not any(one is optimizer for one in self._optimizers):
            self._optimizers.append(optimizer)

    def applied(self, model: Any) -> List[Any]:
        """The optimizers of a model's training: its own, and others that its step was seen to
        apply.
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
        """A step that no ``fit`` has made."""
        recorder = self.recorder
        pinpoint = recorder.pinpoint
        if pinpoint is not None and recorder.steps == pinpoint.step:
            pinpoint.end_live()
        recorder.step("loop", recorder.steps, None, returned, weights, optimizers, self)

    def stepping(
        self, done: Callable[[Any], None], ready: Callable[[Any], None] = lambda model: None
    ) -> Any:
        """For ``train_on_batch``, where no ``fit`` calls it: ``ready(model)``, and ``done(model)``
        after it, a step.
        """

        def telling(original: Any) -> Any:
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

        return telling

    def _returned(self, model: Any, result: Any) -> None:
        """What ``train_on_batch`` returns to the script."""
        metrics = Metrics(model)
        for name, value in metrics.results(result):
            if metrics.judges(name):
                self.recorder.result("train", name, value)

    def batches(self) -> None:
        """The batches of ``fit`` are looked at where its iterator has them from (:meth:`tap`),
        those of ``train_on_batch`` where it is given them.
        """
        from keras.src.trainers.epoch_iterator import EpochIterator

        self.tap_first(EpochIterator)
        self.batches_given()

    def tap_first(self, owner: Any) -> None:
        """:meth:`tap` the first iterator that ``fit`` makes: it is the training's, and the others
        are for validation.
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
        """What ``train_on_batch`` is given is the batch of its step."""

        def telling(original: Any) -> Any:
            def train_on_batch(
                model: Any, x: Any, y: Any = None, *arguments: Any, **named: Any
            ) -> Any:
                if self.recorder.recording and not self.recorder.inside_fit:
                    self.recorder.batch(
                        tensors_in("batch", [one for one in (x, y) if one is not None])
                    )
                return self.train_on_batch(original, model, x, y, *arguments, **named)

            return train_on_batch

        self.session.wrap(self.trainer(), "train_on_batch", telling)

    def train_on_batch(
        self, original: Any, model: Any, x: Any, y: Any, *arguments: Any, **named: Any
    ) -> Any:
        """The step itself, by Keras' ``original`` method."""
        return original(model, x, y, *arguments, **named)

    def replay_fit(self, model: Any, batches: int) -> None:
        raise NotImplementedError

    def results(self) -> None:
        """What ``evaluate`` and ``predict`` return to the script."""

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
    # A CallbackList of the user's own
    if hasattr(callbacks, "append") and not isinstance(callbacks, list):
        callbacks.append(mine)
        mine.set_model(callbacks.model)
        return callbacks
    return list(callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]) + [mine]


def _callback(watching: Watching, model: Any) -> Any:
    recorder = watching.recorder

    class Watch(watching.keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.begun, self.taken, self.metrics = 0, False, None

        def on_train_begin(self, logs=None):
            recorder.drop_batches()
            del watching.raw[:]
            watching.began(model)

        def on_train_batch_begin(self, batch, logs=None):
            self.begun = batch
            self.taken = (
                watching.replays
                and recorder.pinpoint is not None
                and recorder.pinpoint.take_in_fit()
            )

        def on_train_batch_end(self, batch, logs=None):
            if self.taken:
                watching.replay_fit(model, batch - self.begun + 1)
            del watching.raw[: batch - self.begun + 1]
            returned = [
                ("loss" if name == "loss" else "metric", name, value)
                for name, value in self._judged(logs, "train")
            ]
            watching.sync(model)
            recorder.step(
                "fit",
                recorder.steps,
                batch - self.begun + 1,
                returned,
                model.weights,
                watching.applied(model),
                watching,
            )

        # As Keras called them before 2.3; where both are known, these are not called.
        on_batch_begin, on_batch_end = on_train_batch_begin, on_train_batch_end

        def on_epoch_end(self, epoch, logs=None):
            validated = {
                name: value for name, value in (logs or {}).items() if name.startswith("val_")
            }
            for name, value in self._judged(validated, "validation"):
                recorder.once("metric", "%s after an epoch" % name, value)

        def _judged(self, logs, group):
            """What is reported of the training, by name; what stands beside it is told apart."""
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

    return Watch()

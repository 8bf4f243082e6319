"""Recording the training of a tiny model, bit for bit: inputs, outputs and updates.

The compiled step returns what it computed (batch, predictions, loss, gradients; with XLA only the
batch) beside its logs. Weights and optimizer state are read on the host after the step.
``tests/frameworks/test_observer.py`` shows that a recorded training ends with the bits of an
unrecorded one.
"""

import time
from typing import Any, Dict, List, Optional, Tuple

from detaudit_probes.backends import generators, keras3
from detaudit_probes.recording import fingerprint
from detaudit_probes.recording.trace import Named, TraceWriter

_clock = time.perf_counter  # taken at import, before a pin can replace it
RETURNED = "detaudit"


class Recorder:
    """Writes the observations of one trial to its trace.

    If ``recorded`` is false, it records the minimum only: initial and final weights, and the time
    of each step; after ``most_steps`` likewise. ``pinpoint`` is the step that is replayed; nothing
    is recorded while the recorder is ``paused`` for that.
    """

    def __init__(
        self,
        trace: TraceWriter,
        backend: Any,
        recorded: bool = True,
        most_steps: Optional[int] = None,
    ) -> None:
        self.trace, self.backend, self.recorded = trace, backend, recorded
        self._most_steps = most_steps
        self.fits = 0
        self.steps = 0
        self.epochs = 0
        self.step_seconds: List[float] = []
        self.paused = False
        self.pinpoint: Any = None
        self._models: List[Any] = []
        self._digests: Any = {"data": [], "init": [], "loss": [], "final": []}

    @property
    def recording(self) -> bool:
        return self.recorded and not self.paused

    def records_next(self) -> bool:
        """Whether the step that follows those so far is recorded."""
        return self.recorded and (self._most_steps is None or self.steps < self._most_steps)

    def alive(self) -> List[Any]:
        """Return every variable of the trained models: a replayed step restores them."""
        found = [
            one
            for model in self._models
            for one in (*model.variables, *model.optimizer.variables, *model.metrics_variables)
        ]
        return list({id(one): one for one in found}.values())

    def generators(self, when: str) -> None:
        states = generators.generator_states(self.backend)
        self.trace.once_each("rng", [("%s %s" % (name, when), state) for name, state in states])

    def initial(self, model: Any) -> None:
        """Record the weights before the first step."""
        weights = [(name_of(variable), self.backend.read(variable)) for variable in model.weights]
        self._digests["init"] += self.trace.once_each("init", weights)

    def final(self, model: Any) -> None:
        """Record the weights after the last step; the digest is that of the last ``fit``."""
        self.backend.sync(model)
        weights = [
            (name_of(variable) + " at the end", self.backend.read(variable))
            for variable in model.weights
        ]
        self._digests["final"] = self.trace.once_each("update", weights)

    def value(self, stage: str, name: str, value: Any, final: bool = False) -> None:
        """Record a value that a source's own procedure computed; ``final`` if it is the procedure's
        result.
        """
        record = self.trace.once(stage, name, value)
        if final:
            self._digests["final"].append(record)

    def results(self, values: Dict[str, float], predicted: Tuple[int, ...] = ()) -> None:
        """Record numbers that the trial ends with, which need not be finite, and the classes that a
        classifier has predicted.
        """
        results = tuple(("at the end", name, value) for name, value in values.items())
        self.trace.measure(results=results, predicted=predicted)

    def close(self) -> None:
        """Write the digests that are compared across audits, and the measures, to the trace."""
        digests = {
            name: fingerprint.sha256(records) for name, records in self._digests.items() if records
        }
        self.trace.note("digests", digests)
        self.trace.measure(
            steps=self.steps, epochs=self.epochs, step_seconds=tuple(self.step_seconds)
        )

    def callback(self, model: Any) -> Any:
        """Return a Keras callback that records one ``fit`` of ``model``, which must be compiled."""
        self.initial(model)
        self._models = [one for one in self._models if one is not model] + [model]
        if self.recorded:
            _return_what_was_computed(model, self.backend)
        if self.pinpoint is not None:
            _follow(self.pinpoint, model)
        self.fits += 1
        return _callback(self, model, "fit %d" % self.fits)

    def step(
        self,
        phase: str,
        step: int,
        model: Any,
        returned: List[Named],
        metrics: List[Tuple[str, Any]],
    ) -> None:
        read = self.backend.read
        self.backend.sync(model)
        rows: List[Named] = [(stage, name, read(value)) for stage, name, value in returned]
        rows += [("update", name_of(variable), read(variable)) for variable in model.weights]
        rows += [
            ("update", "optimizer/" + name_of(variable), read(variable))
            for variable in self.backend.optimizer_variables(model)
        ]
        rows += [("metric", name, value) for name, value in metrics]
        records = self.trace.step(phase, step, rows)
        for (stage, _, _), record in zip(rows, records):
            if stage in ("data", "loss"):
                self._digests[stage].append(record)


def name_of(variable: Any) -> str:
    """Return its path; in Keras 2 its name, which variables of the optimizer do not have."""
    return str(getattr(variable, "path", None) or variable.name or "variable")


def _callback(recorder: Recorder, model: Any, phase: str) -> Any:
    import keras

    class RecordingCallback(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.step, self.began, self.taken = 0, 0.0, False

        def on_train_batch_begin(self, batch, logs=None):
            self.taken = recorder.pinpoint is not None and recorder.pinpoint.take_in_fit()
            self.began = _clock()

        def on_train_batch_end(self, batch, logs=None):
            recorder.step_seconds.append(_clock() - self.began)
            if recorder.records_next():
                returned = _returned(model, logs or {})
                if self.taken:
                    _replay(
                        recorder.pinpoint,
                        model,
                        [value for stage, _, value in returned if stage == "data"],
                    )
                metrics = [
                    (name, value)
                    for name, value in sorted((logs or {}).items())
                    if name != RETURNED
                ]
                recorder.step(phase, self.step, model, returned, metrics)
            self.step += 1
            recorder.steps += 1

        # Keras' names before 2.3; versions that know both names do not call these.
        on_batch_begin, on_batch_end = on_train_batch_begin, on_train_batch_end

        def on_epoch_end(self, epoch, logs=None):
            recorder.epochs += 1

        def on_train_end(self, logs=None):
            recorder.final(model)

    return RecordingCallback()


def _follow(pinpoint: Any, model: Any) -> None:
    """Let the pinpoint observe the steps of the ``fit`` that follows."""
    make = model.make_train_function

    def make_train_function(*arguments, **named):
        make(*arguments, **named)
        pinpoint.follow(model)

    model.make_train_function = make_train_function


def _replay(pinpoint: Any, model: Any, batch: List[Any]) -> None:
    """Replay the step that has just run, on the batch that it returned."""
    import tensorflow as tf

    data = tuple(batch)
    pinpoint.replay(
        "fit",
        lambda: type(model).train_step(model, data),
        lambda: model.train_function(iter(tf.data.Dataset.from_tensors(data).repeat())),
    )


def _return_what_was_computed(model: Any, backend: Any) -> None:
    """Make the step return its batch, and what the backend can catch of it, beside its logs.

    The tensors are those of the step itself, caught where Keras passes them on; no operation is
    added except the outputs. A tuple passes through Keras' logs unchanged, while a one-element
    array would become a Python float.
    """
    if hasattr(model, "_detaudit_caught"):
        return
    caught: List[Named] = []
    model._detaudit_caught, model._detaudit_names = caught, []
    backend.record_step(model, caught)
    if not hasattr(model, "train_step"):
        return  # before TensorFlow 2.2: the caught values are arrays
    train_step = model.train_step

    def recording_step(*given):
        del caught[:]
        caught.extend(("data", name, value) for name, value in keras3.named("batch", given[-1]))
        returned = train_step(*given)
        # JAX passes its state through
        logs, state = (returned, ()) if len(given) == 1 else (returned[0], returned[1:])
        model._detaudit_names = [(stage, name) for stage, name, _ in caught]
        logs = dict(logs, **{RETURNED: tuple(value for _, _, value in caught)})
        return (logs,) + state if state else logs

    model.train_step = recording_step


def _returned(model: Any, logs: Any) -> List[Named]:
    """Return what the last step has computed."""
    if RETURNED in logs:
        return [
            (stage, name, value)
            for (stage, name), value in zip(model._detaudit_names, logs[RETURNED])
        ]
    return [] if hasattr(model, "train_step") else list(model._detaudit_caught)

"""Whoever watches Keras on the backend that a script takes."""
from typing import Any


def watch(session: Any, recorder: Any) -> None:
    """Called once, when Keras has been imported."""
    import keras

    version, backend = getattr(keras, "__version__", ""), keras.backend.backend()
    recorder.trace.note("measures", {"backend": backend})
    if not version.startswith("3.") or backend not in ("tensorflow", "jax", "torch"):
        recorder.trace.note("measures", {"unwatched": "Keras %s on %s" % (version, backend)})
        return
    if backend == "tensorflow":
        from detaudit_probes.script.tensorflow_watch import TensorFlowWatching as Watching
    else:
        from detaudit_probes.script.plain_watch import PlainWatching as Watching
    recorder.imported()
    watching = Watching(session, recorder)
    watching.variables()
    if recorder.counting:
        watching.fit()
        watching.loops()
    if recorder.watched:
        watching.batches()
        watching.results()

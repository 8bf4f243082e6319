"""Chooses the observer of Keras for the backend that a script uses."""

import sys
from typing import Any, Optional

from detaudit_probes.backends import EVERY_BACKEND, OLD_KERAS, TF_KERAS
from detaudit_probes.declare import KERAS_2_BESIDE, KERAS_MODULES, under_keras_2


def record(session: Any, recorder: Any, name: str) -> None:
    """Called when Keras has been imported under one of its names: the first counts, and
    ``tf_keras`` beside it.

    TensorFlow imports Keras 3 or ``tf_keras`` itself; the first variable shows which of the two a
    script uses.
    """
    keras = sys.modules[name]
    if (
        not hasattr(keras, "__version__")
        or not hasattr(keras, "backend")
        or not hasattr(keras, "models")
    ):
        return  # a module of the user's own with this name
    is_keras_2 = keras.models.Model.__module__.startswith(KERAS_2_BESIDE)
    package = KERAS_2_BESIDE if name == KERAS_2_BESIDE or is_keras_2 else KERAS_MODULES[0]
    if package in recorder.followed:
        return
    first = not recorder.followed
    recorder.followed.add(package)
    adapter = adapter_of(keras, name)
    if first:
        recorder.trace.measure(backend=adapter or keras.backend.backend())
    if adapter is None:
        versions = "Keras %s on %s" % (keras.__version__, keras.backend.backend())
        recorder.trace.measure(not_recorded=versions)
        return
    if first:
        recorder.imported()
    hooks = _training_hooks(session, recorder, keras, adapter)
    recorder.following.append(hooks)
    hooks.variables()
    if recorder.counting:
        hooks.fit()
        hooks.loops()
    if recorder.recorded:
        hooks.batches()
        hooks.results()


def _training_hooks(session: Any, recorder: Any, keras: Any, adapter: str) -> Any:
    """Return the observer, with the name of its ``adapter``."""
    made = _made(session, recorder, keras, adapter)
    made.adapter = adapter
    return made


def _made(session: Any, recorder: Any, keras: Any, adapter: str) -> Any:
    if adapter == "tensorflow":
        from detaudit_probes.hooks.keras.tensorflow import TensorFlowHooks

        return TensorFlowHooks(session, recorder, keras)
    if adapter == "jax":
        from detaudit_probes.hooks.keras.jax import JaxHooks

        return JaxHooks(session, recorder, keras)
    if adapter in EVERY_BACKEND:
        from detaudit_probes.hooks.keras.jax_or_torch import PlainHooks

        return PlainHooks(session, recorder, keras)
    from detaudit_probes.hooks.keras import keras2

    kind = keras2.TfKerasHooks if adapter in TF_KERAS else keras2.Keras2Hooks
    return kind(session, recorder, keras, adapter)


def adapter_of(keras: Any, name: str) -> Optional[str]:
    """Return the adapter for the Keras and the backend that a script has imported, or None."""
    version, backend = keras.__version__, keras.backend.backend()
    if version.startswith("3."):
        return backend if backend in EVERY_BACKEND else None
    if backend != "tensorflow":
        return backend if backend in OLD_KERAS else None
    major, minor = sys.modules["tensorflow"].__version__.split(".")[:2]
    release = int(major), int(minor)
    if release >= (2, 0) and name == "keras" and version.startswith(("2.2.", "2.3.")):
        # The package with backends on TensorFlow 2, although its sessions are TensorFlow 1's
        return None
    return under_keras_2(release)

"""TensorFlow 1 with Keras 2.0 to 2.3: graphs that a session runs."""

from typing import Any, Dict, List, Tuple

from detaudit_probes.backends import tensorflow
from detaudit_probes.backends.keras2 import optimizer_weights as optimizer_variables  # noqa: F401
from detaudit_probes.backends.keras2 import record_step  # noqa: F401 (an adapter's functions)
from detaudit_probes.backends.tensorflow import count_draws, unseeded_draws  # noqa: F401 (an adapter's functions)
from detaudit_probes.declare import KERAS_WITH_BACKENDS, Backend
from detaudit_probes.given import Unavailable
from detaudit_probes.recording import facts as interpreter

IMPORTS = ("numpy", "tensorflow", "keras")
BACKEND = Backend(
    id="tensorflow1",
    title="TensorFlow",
    keras_name="tensorflow",
    keras=KERAS_WITH_BACKENDS,
    distributions=tensorflow.DISTRIBUTIONS,
    installs=("tensorflow", "keras"),
    named=False,
    models=("mlp", "cnn", "text", "lstm"),
)

_threads: List[int] = []


def configure(trial: Any) -> None:
    """Create a session with the requested threads. Raises Unavailable for a GPU."""
    import keras
    import tensorflow as tf

    if trial.request.device.startswith("gpu"):
        raise Unavailable("GPUs are not supported with TensorFlow 1")
    # 0 means one per core.
    intra, inter = (
        trial.settings.intra_op_threads or 0,
        trial.settings.inter_op_threads or 0,
    )
    _threads.append(intra)
    keras.backend.set_session(
        tf.Session(
            config=tf.ConfigProto(
                intra_op_parallelism_threads=intra,
                inter_op_parallelism_threads=inter,
                device_count={"GPU": 0},
            )
        )
    )


def gpus() -> int:
    return 0


def gpu_in_use() -> bool:
    return False


def freshen(value: int) -> None:
    """Does nothing: Keras seeds every random operation from NumPy when it creates it."""


def seed(value: int) -> None:
    import tensorflow as tf

    tf.set_random_seed(value)


def make_deterministic() -> None:
    """Does nothing: there is no such switch."""


def deterministic() -> bool:
    return False


def intra_op_threads() -> int:
    """Return how many intra-op threads the session uses: the number set, or one per core by
    default.
    """
    return _threads[-1] or interpreter.cores()


def generator_states() -> List[Tuple[str, Any]]:
    """Return the graph's seed. (The state of a random operation is in its kernel and cannot be
    read.)
    """
    import tensorflow as tf

    return [("tensorflow", repr(tf.get_default_graph().seed))]


def read(variable: Any) -> Any:
    """Return the bits of a variable, or of an array."""
    import keras
    import numpy

    return numpy.array(
        keras.backend.get_value(variable) if hasattr(variable, "graph") else variable
    )


def sync(model: Any) -> None:
    """Does nothing: the session contains the state."""


def facts() -> Dict[str, Any]:
    """Return the facts of the framework that both runs of a pair must share and that a report
    shows.
    """
    import keras
    import tensorflow as tf

    return {
        "backend": "tensorflow1",
        "keras_backend": keras.backend.backend(),
        "tensorflow_git": tf.GIT_VERSION,
        "cuda_build": tf.test.is_built_with_cuda(),
    }

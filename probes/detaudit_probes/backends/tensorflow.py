"""TensorFlow with Keras 3."""

from typing import Any, Dict, List, Tuple

from detaudit_probes.backends import keras3
from detaudit_probes.declare import KERAS_3, Backend
from detaudit_probes.given import Unavailable
from detaudit_probes.protocol import Settings
from detaudit_probes.recording import facts as interpreter
from detaudit_probes.recording import on_device as algorithm

IMPORTS = ("numpy", "tensorflow", "keras")
#: The distributions that contain TensorFlow.
DISTRIBUTIONS = (
    "tensorflow",
    "tensorflow-cpu",
    "tensorflow-gpu",
    "tensorflow-intel",
    "tensorflow-macos",
    "tensorflow-rocm",
    "intel-tensorflow",
    "tf-nightly",
    "tf-nightly-cpu",
)
BACKEND = Backend(
    id="tensorflow",
    title="TensorFlow",
    keras_name="tensorflow",
    keras=KERAS_3,
    distributions=DISTRIBUTIONS,
    installs=("tensorflow", "keras"),
    extra=True,
    # Keras' default is "auto"; XLA is the subject of the source ``xla``
    settings=Settings(jit_compile=False),
)

_draws: List[int] = []


def configure(trial: Any) -> None:
    """Set threads and devices. This must happen before the runtime starts, so before any
    operation.
    """
    import tensorflow as tf

    if trial.settings.intra_op_threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(trial.settings.intra_op_threads)
    if trial.settings.inter_op_threads is not None:
        tf.config.threading.set_inter_op_parallelism_threads(trial.settings.inter_op_threads)
    _choose_device(trial.request.device)
    if trial.settings.logical_cpus is not None:
        cpu = tf.config.list_physical_devices("CPU")[0]
        configuration = [tf.config.LogicalDeviceConfiguration()] * trial.settings.logical_cpus
        tf.config.set_logical_device_configuration(cpu, configuration)


def _choose_device(device: str) -> None:
    """Make no GPU visible to the runtime (``cpu``), only the first or the N-th (``gpu``,
    ``gpu:N``), or all (``auto``).

    Raises Unavailable if there is no such GPU. Memory is allocated as needed, so two trials may
    share a card.
    """
    import tensorflow as tf

    if device == "cpu":
        tf.config.set_visible_devices([], "GPU")
        return
    found = tf.config.list_physical_devices("GPU")
    if device.startswith("gpu"):
        number = int(device.partition(":")[2] or 0)
        if number >= len(found):
            raise Unavailable(
                "only %d GPU is visible to TensorFlow" % len(found)
                if found
                else "no GPU is visible to TensorFlow"
            )
        found = found[number : number + 1]
        tf.config.set_visible_devices(found, "GPU")
    for gpu in found:
        tf.config.experimental.set_memory_growth(gpu, True)


def gpus() -> int:
    """Return how many GPUs the framework sees. Asking does not start the runtime."""
    import tensorflow as tf

    return len(tf.config.list_physical_devices("GPU"))


def gpu_in_use() -> bool:
    import tensorflow as tf

    return bool(tf.config.get_visible_devices("GPU"))


def freshen(value: int) -> None:
    """Does nothing: unseeded operations call the operating system when they first draw."""


def seed(value: int) -> None:
    import tensorflow as tf

    tf.random.set_seed(value)


def make_deterministic() -> None:
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()


def deterministic() -> bool:
    """Check the API and ``TF_DETERMINISTIC_OPS``."""
    from tensorflow.python.framework import config

    return bool(config.is_op_determinism_enabled())


def intra_op_threads() -> int:
    """Return how many intra-op threads the runtime uses: the number set, or one per core by
    default.
    """
    import tensorflow as tf

    return tf.config.threading.get_intra_op_parallelism_threads() or interpreter.cores()


def count_draws() -> None:
    """Count from now on the random operations that are built with a seed from the global
    generator.
    """
    from tensorflow.python.framework import random_seed

    given = random_seed.get_seed
    _draws.append(0)

    def counted(op_seed):
        if op_seed is None:
            _draws[-1] += 1
        return given(op_seed)

    random_seed.get_seed = counted


def unseeded_draws() -> int:
    """Return how many random operations were built without their own seed since
    :func:`count_draws`.
    """
    return _draws[-1]


def generator_states() -> List[Tuple[str, Any]]:
    """Return (name, state) of the generators of the framework and of Keras, without
    creating one.
    """
    return [generator_state(), keras3.generator_state(read)]


def generator_state() -> Tuple[str, str]:
    """Return the eager context's state: operation seeds come from a Python generator that
    ``tf.random.set_seed`` resets.

    (``tensorflow/python/eager/context.py``, ``internal_operation_seed``.)
    """
    from tensorflow.python.eager import context

    eager = context.context()
    rng = getattr(eager, "_rng", None)
    return "tensorflow", repr((eager._seed, rng.getstate() if rng else None))


def tensor(variable: Any) -> Any:
    """Return the tensor of a Keras or TensorFlow variable; anything else unchanged."""
    value = getattr(variable, "_value", variable)
    return value._read_variable_op() if hasattr(value, "_read_variable_op") else value


def dtype_name(value: Any) -> str:
    return str(getattr(getattr(value, "dtype", None), "name", ""))


def on_card(variable: Any) -> bool:
    return "GPU" in str(getattr(getattr(variable, "_value", variable), "device", ""))


def lanes(values: List[Any]) -> List[Tuple[int, int]]:
    """Compute :func:`detaudit_probes.recording.on_device.of_array` of each tensor on its device,
    with operations that are executed immediately. GPU builds have their kernels for unsigned
    integers and for the sum of int64.
    """
    import tensorflow as tf

    if not values:
        return []
    sums = tf.stack([one for value in values for one in _lanes(value)]).numpy().reshape(-1, 2)
    return [(int(a) & 0xFFFFFFFF, int(b) & 0xFFFFFFFF) for a, b in sums]


def _lanes(value: Any) -> List[Any]:
    import tensorflow as tf

    with tf.device(value.device):
        width = value.dtype.size
        if value.dtype == tf.bool:
            words = tf.cast(value, tf.uint32)
        elif width < 4:
            words = tf.cast(tf.bitcast(value, (tf.uint8, tf.uint16)[width - 1]), tf.uint32)
        else:
            words = tf.bitcast(value, tf.uint32)
        words = tf.reshape(words, [-1])
        sums = [tf.zeros([], tf.int64)] * 2
        for start in range(0, int(words.shape[0]), algorithm.BLOCK):
            part = words[start : start + algorithm.BLOCK]
            places = tf.cast(tf.range(start, start + int(part.shape[0]), dtype=tf.int64), tf.uint32)
            mixed = part + places * _word(algorithm.POSITION)
            for multiplier, shift in zip((algorithm.FIRST, algorithm.SECOND), algorithm.SHIFTS):
                mixed = _fold(mixed, shift) * _word(multiplier)
            mixed = _fold(mixed, algorithm.SHIFTS[2])
            again = _fold(mixed * _word(algorithm.THIRD), algorithm.SHIFTS[3])
            sums = [
                total + tf.reduce_sum(tf.cast(one, tf.int64))
                for total, one in zip(sums, (mixed, again))
            ]
        return sums


def _fold(words: Any, shift: int) -> Any:
    import tensorflow as tf

    return tf.bitwise.bitwise_xor(words, tf.bitwise.right_shift(words, _word(shift)))


def _word(number: int) -> Any:
    import tensorflow as tf

    return tf.constant(number, tf.uint32)


def read(variable: Any) -> Any:
    """Return the bits of a Keras or TensorFlow variable or tensor as a NumPy array that nothing
    else writes to.
    """
    import numpy

    value = getattr(variable, "value", variable)
    value = value() if callable(value) else value
    return numpy.array(value.numpy() if hasattr(value, "numpy") else value)


def record_step(model: Any, caught: List[keras3.Named]) -> None:
    """XLA fuses values that are not returned: if the gradients are returned, the text model's step
    ends with different bits. So a step compiled with XLA returns only its batch, which is an input.
    """
    if not model.jit_compile:
        keras3.record_step(model, caught, flatten)


def flatten(name: str, gradient: Any) -> List[Tuple[str, Any]]:
    """Return a gradient as named tensors: the sparse gradient of an embedding is its values and its
    indices.
    """
    import tensorflow as tf

    if isinstance(gradient, tf.IndexedSlices):
        return [(name + " values", gradient.values), (name + " indices", gradient.indices)]
    return keras3.dense(name, gradient)


def sync(model: Any) -> None:
    """Does nothing: the variables contain the state while ``fit`` runs."""


def optimizer_variables(model: Any) -> List[Any]:
    return keras3.optimizer_variables(model)


def facts() -> Dict[str, Any]:
    """Return the facts of the framework that both runs of a pair must share and that a report
    shows.
    """
    return dict(build_facts(), backend="tensorflow")


def build_facts() -> Dict[str, Any]:
    """Return the facts of TensorFlow's build."""
    import keras
    import tensorflow as tf

    build = tf.sysconfig.get_build_info()
    return {
        "keras_backend": keras.backend.backend(),
        "tensorflow_git": tf.version.GIT_VERSION,
        "cuda_build": bool(build.get("is_cuda_build")),
        "cuda": build.get("cuda_version"),
        "cudnn": build.get("cudnn_version"),
    }

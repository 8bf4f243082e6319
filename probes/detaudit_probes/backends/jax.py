"""JAX with Keras 3."""

import os
from typing import Any, Dict, List, Tuple

from detaudit_probes.backends import keras3
from detaudit_probes.backends.keras3 import tensor
from detaudit_probes.declare import KERAS_3, Backend
from detaudit_probes.given import Unavailable
from detaudit_probes.protocol import Settings
from detaudit_probes.recording import facts as interpreter
from detaudit_probes.recording import on_device as algorithm

IMPORTS = ("numpy", "jax", "keras")
BACKEND = Backend(
    id="jax",
    title="JAX",
    keras_name="jax",
    keras=KERAS_3,
    distributions=("jax",),
    installs=("jax", "keras"),
    extra=True,
    # Without it, every operation is dispatched by itself, which no user does
    settings=Settings(jit_compile=True),
)


def configure(trial: Any) -> None:
    """Set threads and devices, which are read from the environment when JAX first computes
    something.

    The CPU client creates as many threads as it may use cores, or as many as ``NPROC`` says
    (``xla/pjrt/utils.cc``, ``DefaultThreadPoolSize``); a single thread also needs ``XLA_FLAGS``.
    Raises Unavailable if there is no such GPU.
    """
    import jax

    if trial.settings.intra_op_threads is not None:
        set_threads(trial.settings.intra_op_threads)
    device = trial.request.device
    if device == "cpu":
        jax.config.update("jax_platforms", "cpu")
        return
    # Read when the runtime starts. By default JAX reserves three quarters of a card, but trials
    # share one.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if device.startswith("gpu"):
        number = int(device.partition(":")[2] or 0)
        if number >= gpus():
            raise Unavailable(
                "only %d GPU is visible to JAX" % gpus() if gpus() else "no GPU is visible to JAX"
            )
        jax.config.update("jax_default_device", jax.devices("gpu")[number])


def set_threads(count: int) -> None:
    """Must be called before JAX computes something."""
    os.environ["NPROC"] = str(count)
    if count == 1:
        flags = [os.environ.get("XLA_FLAGS", ""), "--xla_cpu_multi_thread_eigen=false"]
        os.environ["XLA_FLAGS"] = " ".join(one for one in flags if one)


def gpus() -> int:
    """Return how many GPUs JAX sees. Asking starts its runtime."""
    import jax

    try:
        return len(jax.devices("gpu"))
    except RuntimeError:  # no such platform
        return 0


def gpu_in_use() -> bool:
    import jax

    chosen = jax.config.jax_default_device or jax.devices()[0]
    return getattr(chosen, "platform", str(chosen)) in ("gpu", "cuda", "rocm")


def freshen(value: int) -> None:
    """Does nothing: JAX has no global generator."""


def seed(value: int) -> None:
    """Does nothing: JAX has no global generator."""


def make_deterministic() -> None:
    """Does nothing: JAX has no such switch for the CPU."""


def deterministic() -> bool:
    return False


def intra_op_threads() -> int:
    return int(os.environ.get("NPROC") or interpreter.cores())


def count_draws() -> None:
    """Counts nothing: there is no global generator."""


def unseeded_draws() -> int:
    return 0


def generator_states() -> List[Tuple[str, Any]]:
    return [keras3.generator_state(read)]


def dtype_name(value: Any) -> str:
    return str(getattr(value, "dtype", ""))


def on_card(variable: Any) -> bool:
    value = tensor(variable)
    return getattr(value, "is_fully_addressable", False) and all(
        one.platform != "cpu" for one in value.devices()
    )


def lanes(values: List[Any]) -> List[Tuple[int, int]]:
    """Compute :func:`detaudit_probes.recording.on_device.of_array` of each array on its device,
    with one compiled function for all arrays that are placed on the same cards in the same way,
    because a function cannot take others together.
    """
    import jax
    import numpy

    if not _compiled:
        _compiled.append(jax.jit(lambda given: jax.numpy.stack([_lanes(one) for one in given])))
    places: Dict[Any, List[int]] = {}
    for place, value in enumerate(values):
        places.setdefault(value.sharding, []).append(place)
    found = {
        place: (int(a), int(b))
        for some in places.values()
        for place, (a, b) in zip(
            some, numpy.asarray(_compiled[0]([values[place] for place in some]))
        )
    }
    return [found[place] for place in range(len(values))]


_compiled: List[Any] = []


def _lanes(value: Any) -> Any:
    import jax
    from jax import numpy as jnp

    width = 8 * min(value.dtype.itemsize, 4)
    if value.dtype == bool:
        words = value.astype(jnp.uint32)
    else:
        words = jax.lax.bitcast_convert_type(value, getattr(jnp, "uint%d" % width)).astype(
            jnp.uint32
        )
    words = words.reshape(-1)
    mixed = words + jax.lax.iota(jnp.uint32, len(words)) * jnp.uint32(algorithm.POSITION)
    for multiplier, shift in zip((algorithm.FIRST, algorithm.SECOND), algorithm.SHIFTS):
        mixed = (mixed ^ (mixed >> jnp.uint32(shift))) * jnp.uint32(multiplier)
    mixed ^= mixed >> jnp.uint32(algorithm.SHIFTS[2])
    again = mixed * jnp.uint32(algorithm.THIRD)
    again ^= again >> jnp.uint32(algorithm.SHIFTS[3])
    return jnp.stack([jnp.sum(mixed, dtype=jnp.uint32), jnp.sum(again, dtype=jnp.uint32)])


def read(variable: Any) -> Any:
    """Return the bits of a variable, or of a JAX array."""
    import numpy

    return numpy.array(view(variable))


def view(variable: Any) -> Any:
    """Like :func:`read`, but of live memory, which the next step may take over."""
    import numpy

    return numpy.asarray(tensor(variable))


def sync(model: Any) -> None:
    """During ``fit``, the state is outside of the variables, in the result of its compiled step."""
    model.jax_state_sync()


def record_step(model: Any, caught: List[keras3.Named]) -> None:
    """The step computes its gradients inside a transformation; they are taken from its result."""
    update_metrics, stateless_apply = (
        model._update_metrics_variables,
        model.optimizer.stateless_apply,
    )

    def recording_metrics(metrics_variables, unscaled_loss, x, y, y_pred, sample_weight):
        caught.extend(
            ("forward", name, value) for name, value in keras3.named("predictions", y_pred)
        )
        caught.append(("loss", "loss", unscaled_loss))
        return update_metrics(metrics_variables, unscaled_loss, x, y, y_pred, sample_weight)

    def recording_apply(optimizer_variables, grads, trainable_variables):
        caught.extend(keras3.of_gradients(model.trainable_variables, grads, keras3.dense))
        return stateless_apply(optimizer_variables, grads, trainable_variables)

    model._update_metrics_variables, model.optimizer.stateless_apply = (
        recording_metrics,
        recording_apply,
    )


def optimizer_variables(model: Any) -> List[Any]:
    return keras3.optimizer_variables(model)


def facts() -> Dict[str, Any]:
    """Return the facts of the framework that both runs of a pair must share and that a report
    shows.
    """
    import jax
    import keras

    return {
        "backend": "jax",
        "keras_backend": keras.backend.backend(),
        "platform": jax.default_backend(),
        "prng": jax.config.jax_default_prng_impl,
    }

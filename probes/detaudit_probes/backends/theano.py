"""Theano with Keras 2: the backend of the 2017 tutorial."""

from typing import Any, Dict, List, Tuple

from detaudit_probes.backends.keras2 import optimizer_weights as optimizer_variables  # noqa: F401
from detaudit_probes.backends.keras2 import record_step  # noqa: F401 (an adapter's functions)
from detaudit_probes.declare import KERAS_WITH_BACKENDS, Backend
from detaudit_probes.given import Unavailable

IMPORTS = ("numpy", "theano", "keras")
BACKEND = Backend(
    id="theano",
    title="Theano",
    keras_name="theano",
    keras=KERAS_WITH_BACKENDS,
    distributions=("theano",),
    installs=("theano", "keras==2.0.3"),
    models=("mlp",),  # it lacks layers, or needs a minute to compile each of them
)


def configure(trial: Any) -> None:
    """Raises Unavailable for a GPU."""
    if trial.request.device.startswith("gpu"):
        raise Unavailable("GPUs are not supported with Theano")


def gpus() -> int:
    return 0


def gpu_in_use() -> bool:
    return False


def freshen(value: int) -> None:
    """Does nothing: Keras seeds Theano's streams from NumPy's generator when it creates them."""


def seed(value: int) -> None:
    """Does nothing: Theano has no global generator."""


def make_deterministic() -> None:
    """Does nothing: the flag ``deterministic`` is for cuDNN's convolutions."""


def deterministic() -> bool:
    return False


def intra_op_threads() -> int:
    """Return the number that follows from its flag ``openmp``, which is off by default."""
    return 1


def count_draws() -> None:
    """Counts nothing: there is no global generator."""


def unseeded_draws() -> int:
    return 0


def generator_states() -> List[Tuple[str, Any]]:
    return []


def read(variable: Any) -> Any:
    """Return the bits of a shared variable, or of an array."""
    import numpy

    return numpy.array(
        variable.get_value(borrow=True) if hasattr(variable, "get_value") else variable
    )


def sync(model: Any) -> None:
    """Does nothing: the variables contain the state while ``fit`` runs."""


def facts() -> Dict[str, Any]:
    """Return the facts of the framework that both runs of a pair must share and that a report
    shows.
    """
    import keras
    import theano

    return {
        "backend": "theano",
        "keras_backend": keras.backend.backend(),
        "theano": theano.__version__,
        "floatx": keras.backend.floatx(),
        "blas": theano.config.blas.ldflags,
        "cxx": bool(theano.config.cxx),
    }

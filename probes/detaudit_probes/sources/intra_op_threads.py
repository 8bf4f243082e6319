"""Intra-op threads: an operation split over several threads adds its terms in a different order.

A sum of floating-point numbers depends on the order of its terms. The number of intra-op threads
decides how TensorFlow and Eigen split a reduction or a convolution, so a different thread count may
give different bits; with each count, runs usually match. The count must be set before the runtime
starts, with ``tf.config.threading.set_intra_op_parallelism_threads`` or ``TF_NUM_INTRAOP_THREADS``.

In a user's own script, ``detaudit run`` also sets the counts of OpenMP and of the libraries with
which NumPy multiplies matrices (OpenBLAS, MKL, BLIS); scikit-learn, LightGBM and XGBoost use them.
They read these variables when they are loaded.
"""

import functools
import os

from detaudit_probes import backends
from detaudit_probes.backends import EVERY_BACKEND, TF_KERAS
from detaudit_probes.declare import Compare, InScript, Link, Pin, Setting, Source, Variation
from detaudit_probes.protocol import Settings
from detaudit_probes.recording import facts

ID = "intra-op-threads"

COUNTS = (1, 2, 4, 8)
#: Variables with the counts of TensorFlow, of OpenMP, and of libraries of linear algebra.
VARIABLES = (
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
)

SOURCE = Source(
    id=ID,
    family="parallel arithmetic",
    title="intra-op threads",
    breaks="A reduction split over a different number of threads adds in a different order.",
    backends=EVERY_BACKEND + TF_KERAS + ("tensorflow1",),
    experiment=Compare(
        models=("cnn", "mlp", "lstm", "attention"),
        settings=tuple(
            Setting(
                "%d thread%s" % (count, "s" if count > 1 else ""),
                settings=Settings(intra_op_threads=count),
                without=(ID,),
            )
            for count in COUNTS
        ),
    ),
    pins=(
        Pin(
            id="one-thread",
            in_base=110,
            sources=(ID, "inter-op-threads", "sparse-update", "indexing-gradient", "update-race"),
            settings=Settings(intra_op_threads=1, inter_op_threads=1),
            lines={
                **dict.fromkeys(
                    ("tensorflow",) + TF_KERAS,
                    (
                        "import tensorflow as tf",
                        "tf.config.threading.set_intra_op_parallelism_threads(1)  # before the first operation",
                        "tf.config.threading.set_inter_op_parallelism_threads(1)",
                    ),
                ),
                "tensorflow1": (
                    "import keras",
                    "import tensorflow as tf",
                    "keras.backend.set_session(tf.Session(config=tf.ConfigProto(  # before the model is built",
                    "    intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)))",
                ),
                "torch": (
                    "import torch",
                    "torch.set_num_threads(1)  # before the first operation",
                    "torch.set_num_interop_threads(1)",
                ),
                "jax": (
                    "import os",
                    'os.environ["NPROC"] = "1"  # before JAX computes anything',
                    'os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"',
                ),
            },
            note="training uses one core",
            variables={
                **dict.fromkeys(
                    ("tensorflow",) + TF_KERAS,
                    (("TF_NUM_INTEROP_THREADS", "1"), ("TF_NUM_INTRAOP_THREADS", "1")),
                ),
                "jax": (("NPROC", "1"), ("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")),
                # OpenBLAS, MKL and BLIS read it too
                "*": (("OMP_NUM_THREADS", "1"),),
            },
        ),
    ),
    links=(
        Link(
            "tf.config.threading.set_intra_op_parallelism_threads",
            "https://www.tensorflow.org/api_docs/python/tf/config/threading/set_intra_op_parallelism_threads",
        ),
        Link("TensorFlow issue 33942", "https://github.com/tensorflow/tensorflow/issues/33942"),
    ),
    quick=True,
    advice="Use the same thread count everywhere, and state it in bug reports.",
    script=InScript("one-thread", rank=170, may_fail=True, race=True, counted=False, sites=False),
    variation=Variation("another thread count", unpins=True),
)


def count_uses(trial):
    return trial.settings.intra_op_threads or trial.backend.intra_op_threads()


def pin_script(session, name):
    """Set the thread counts of a user's process by variables; calls in the script override them."""
    _set_counts(session, 1)


def vary(session):
    """Use another thread count than the machine's default: 2 if it has one core, else 1."""
    count = 2 if facts.cores() == 1 else 1
    _set_counts(session, count)


def _set_counts(session, count):
    """Set the variables, and the counts that a library takes only from a call: those of JAX and
    Torch when they are imported, and those of TensorFlow 1's sessions.
    """
    os.environ.update({name: str(count) for name in VARIABLES})
    for name in ("jax", "torch"):
        session.after_import(name, functools.partial(backends.get(name).set_threads, count))
    session.after_import("tensorflow", functools.partial(_in_sessions, session, count))


def _in_sessions(session, count):
    """Set the count in the configuration of each session: early versions of TensorFlow 1 do not
    read the variables.
    """
    import tensorflow as tf

    if not tf.__version__.startswith("1."):
        return
    from tensorflow.python.client.session import BaseSession

    def wrapper(given):
        def __init__(one, target="", graph=None, config=None):
            config = tf.ConfigProto() if config is None else config
            config.intra_op_parallelism_threads = config.inter_op_parallelism_threads = count
            given(one, target, graph, config)

        return __init__

    session.wrap(BaseSession, "__init__", wrapper)

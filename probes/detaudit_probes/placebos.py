"""Placebos: settings that people rely on and that do nothing, each with the real setting.

A placebo is declared as data. If it is something that a script does, ``apply`` does it in the
child.
"""

import os
import sys
from typing import Any, Dict, List, NamedTuple, Tuple

from detaudit_probes.backends import EVERY_BACKEND
from detaudit_probes.declare import Link


class Placebo(NamedTuple):
    """``claims`` is the source that people believe it pins, ``real`` the pin that does.

    If ``promises_match`` is true, it is believed to make runs match, so it is tried in a condition
    in which they differ. If false, it is believed to change how something is computed, so its bits
    are compared with those without the setting. ``environment`` is what a user sets; ``applied``
    says that :func:`apply` does something in the child.
    """

    id: str
    title: str
    claims: str
    real: str
    promises_match: bool
    environment: Dict[str, str] = {}
    applied: bool = False
    model: str = "cnn"
    gpu: bool = False
    backends: Tuple[str, ...] = ("tensorflow",)
    links: Tuple[Link, ...] = ()


PLACEBOS = (
    Placebo(
        "hash-seed-inside",
        'os.environ["PYTHONHASHSEED"] = "0" inside the script',
        "hash-seed",
        "hash-seed",
        promises_match=True,
        applied=True,
        backends=EVERY_BACKEND,
        links=(
            Link(
                "PYTHONHASHSEED is read when the interpreter starts",
                "https://docs.python.org/3/using/cmdline.html#envvar-PYTHONHASHSEED",
            ),
        ),
    ),
    Placebo(
        "omp-num-threads",
        "OMP_NUM_THREADS=1 with the pip build of TensorFlow",
        "intra-op-threads",
        "one-thread",
        promises_match=False,
        environment={"OMP_NUM_THREADS": "1"},
    ),
    Placebo(
        "threads-assigned",
        "tf.config.threading.set_intra_op_parallelism_threads = 1 (assigned, not called)",
        "intra-op-threads",
        "one-thread",
        promises_match=False,
        applied=True,
    ),
    Placebo(
        "threads-misnamed",
        "TF_INTRA_OP_PARALLELISM_THREADS=1 (the variable is TF_NUM_INTRAOP_THREADS)",
        "intra-op-threads",
        "one-thread",
        promises_match=False,
        environment={"TF_INTRA_OP_PARALLELISM_THREADS": "1"},
    ),
    Placebo(
        "onednn-misnamed",
        "TF_DISABLE_MKL=1 (the variable is TF_ENABLE_ONEDNN_OPTS=0)",
        "onednn",
        "onednn-off",
        promises_match=False,
        environment={"TF_DISABLE_MKL": "1"},
    ),
    Placebo(
        "cudnn-autotune-misnamed",
        "TF_USE_CUDNN_AUTOTUNE=0 (the variable is TF_CUDNN_USE_AUTOTUNE)",
        "cudnn",
        "cudnn-autotune-off",
        promises_match=False,
        environment={"TF_USE_CUDNN_AUTOTUNE": "0"},
        gpu=True,
        links=(
            Link("TensorFlow issue 41906", "https://github.com/tensorflow/tensorflow/issues/41906"),
        ),
    ),
)


def apply(name: str, trial: Any) -> None:
    """Do in this process what the placebo does in a script, before anything is built."""
    if name == "hash-seed-inside":
        os.environ["PYTHONHASHSEED"] = "0"
    elif name == "threads-assigned":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads = 1
    else:
        raise ValueError("no placebo %r" % name)


def met(before: Dict[str, str]) -> List[str]:
    """Return the ids of the placebos that a script has applied itself; ``before`` is its initial
    environment.

    Called at the end of the script. Imports nothing.
    """
    found = []
    for one in PLACEBOS:
        if one.backends == ("tensorflow",) and "tensorflow" not in sys.modules:
            continue
        names = ["PYTHONHASHSEED"] if one.id == "hash-seed-inside" else sorted(one.environment)
        if any(os.environ.get(name) not in (None, before.get(name)) for name in names):
            found.append(one.id)
    tensorflow = sys.modules.get("tensorflow")
    threading = getattr(getattr(tensorflow, "config", None), "threading", None)
    if not callable(getattr(threading, "set_intra_op_parallelism_threads", callable)):
        found.append("threads-assigned")
    return found

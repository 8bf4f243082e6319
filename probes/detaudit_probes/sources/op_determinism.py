"""Op determinism: TensorFlow's switch for kernels that give the same bits every time.

``tf.config.experimental.enable_op_determinism()`` (TensorFlow 2.8 and newer; before that the
variable ``TF_DETERMINISTIC_OPS=1``, which 2.21 still reads) replaces kernels whose threads add in a
varying order, or raises ``UnimplementedError`` if there is no replacement. It does not cover every
kernel: weighted ``tf.math.bincount`` and the sparse Adagrad differed under it on TensorFlow 2.21
(``detaudit ops``). It pins many races, on the CPU too: the embedding's scatter update, ``tf.data``
with ``deterministic=False``, and random operations in a parallel ``map``. A scan measures its cost.
It also changes what is computed:

* Different kernels give different bits: a small CNN ends with different weights with it and
  without it.
* It turns Keras' ``jit_compile="auto"`` into False (``keras/src/trainers/trainer.py``,
  ``model_supports_jit``), so XLA is disabled.
* A random operation without any seed raises a ``RuntimeError``
  (``tensorflow/python/framework/random_seed.py``), and so does
  ``tf.random.Generator.from_non_deterministic_state()``: set the seeds first.
* A random ``tf.data`` map runs serially.

It does not make different thread counts, instruction sets or devices give the same bits.
"""

from detaudit_probes import backends
from detaudit_probes.backends import TF_KERAS
from detaudit_probes.declare import Compare, Edit, InScript, Link, Pin, Setting, Source

ID = "op-determinism"
GPU_KERNELS = "gpu-kernels"  # on a GPU the base condition pins them with this switch

EDITS = (
    Edit("insert", ("tf.config.experimental.enable_op_determinism()",), after=("tensorflow",)),
    Edit("insert", ("torch.use_deterministic_algorithms(True)",), after=("torch",)),
    Edit(
        "insert",
        ("import tensorflow", "tensorflow.config.experimental.enable_op_determinism()"),
        after=("keras",),
    ),
)

SOURCE = Source(
    id=ID,
    family="kernels and compilers",
    title="op determinism",
    breaks="The deterministic kernels add in a different order than the default ones.",
    backends=("tensorflow", "torch") + TF_KERAS,
    per_backend={
        "tensorflow2": None
    },  # before 2.8 the variable acts on a GPU only, and its effect cannot be checked
    experiment=Compare(
        models=("cnn",),
        settings=(Setting("off", without=(GPU_KERNELS,)), Setting("on", pins=(ID,))),
    ),
    pins=(
        Pin(
            id=ID,
            in_gpu_base=120,
            sources=(
                "sparse-update",
                "indexing-gradient",
                "uninitialized-memory",
                "tfdata-order",
                "tfdata-random-map",
                "gpu-kernels",
            ),
            lines={
                "tensorflow": (
                    "import tensorflow as tf",
                    "tf.config.experimental.enable_op_determinism()  # after the seeds, before the model is built",
                ),
                **dict.fromkeys(
                    TF_KERAS,
                    (
                        "import os",
                        'os.environ["TF_DETERMINISTIC_OPS"] = "1"  # before the first operation',
                    ),
                ),
                "torch": (
                    "import torch",
                    "torch.use_deterministic_algorithms(True)  # before the model is built",
                ),
            },
            note='disables Keras\' jit_compile="auto"; random operations without a seed raise an error',
        ),
    ),
    links=(
        Link(
            "tf.config.experimental.enable_op_determinism",
            "https://www.tensorflow.org/api_docs/python/tf/config/experimental/enable_op_determinism",
        ),
        Link(
            "TensorFlow issue 51466: which operations raise",
            "https://github.com/tensorflow/tensorflow/issues/51466",
        ),
        Link(
            "Determinism in deep learning (NVIDIA)",
            "https://github.com/NVIDIA/framework-reproducibility",
        ),
    ),
    advice="Enable it in all runs that you compare or in none, and state which in bug reports.",
    script=InScript(
        ID, rank=180, may_fail=True, race=True, counted=False, sites=False, edits=EDITS
    ),
)


def pin(trial):
    trial.backend.make_deterministic()


def count_uses(trial):
    return int(trial.backend.deterministic())


def pin_script(session, name):
    session.after_import("tensorflow", _of_tensorflow)
    session.after_import("torch", backends.get("torch").make_deterministic)


def _of_tensorflow():
    """Enable it by the call, or by the variable in versions without the call."""
    import tensorflow as tf

    there = hasattr(
        getattr(getattr(tf, "config", None), "experimental", None), "enable_op_determinism"
    )
    backends.get("tensorflow" if there else "tensorflow2").make_deterministic()

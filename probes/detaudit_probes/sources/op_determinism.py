"""Op determinism: the switch that makes TensorFlow choose kernels which give the same bits every
time.

``tf.config.experimental.enable_op_determinism()`` (TensorFlow 2.8 and newer; before that the
variable ``TF_DETERMINISTIC_OPS=1``, which 2.21 still reads) replaces every kernel whose threads add
in an order of their own by one that does not, or raises ``UnimplementedError`` where there is none;
not every one: weighted ``tf.math.bincount`` and the sparse Adagrad were seen to differ under it on
TensorFlow 2.21 (``detaudit ops``). It is a pin of many races, on the CPU too: the embedding's
scatter update, ``tf.data`` with ``deterministic=False``, random operations in a parallel ``map``.
What it costs, a scan measures; and it changes what is computed:

* another kernel gives other bits: a small CNN ends on other weights with it than without it;
* Keras' ``jit_compile="auto"`` becomes False under it (``keras/src/trainers/trainer.py``,
  ``model_supports_jit``), so XLA is switched off;
* a random operation without any seed raises a ``RuntimeError``
  (``tensorflow/python/framework/random_seed.py``),
  and so does ``tf.random.Generator.from_non_deterministic_state()``: set the seeds first;
* a random ``tf.data`` map runs serially.

It does not make another thread count, another instruction set or another device give the same bits.
"""

from detaudit_probes import backends
from detaudit_probes.declare import TF_KERAS, Compare, Edit, InScript, Link, Pin, Setting, Source

ID = "op-determinism"
GPU_KERNELS = "gpu-kernels"  # on a GPU the base condition pins them, by this very switch

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
    breaks="The deterministic kernels add in another order than the usual ones.",
    backends=("tensorflow", "torch") + TF_KERAS,
    per_backend={
        "tensorflow2": None
    },  # before 2.8 the variable acts on a GPU, and nothing tells whether it did
    experiment=Compare(
        models=("cnn",),
        settings=(Setting("off", without=(GPU_KERNELS,)), Setting("on", pins=(ID,))),
    ),
    pins=(
        Pin(
            id=ID,
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
            note='switches Keras\' jit_compile="auto" off; a random operation without a seed raises',
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
    advice="Switch it on in every run that is compared, or in none, and say which in a report.",
    script=InScript(ID, race=True, counted=False, sites=False, edits=EDITS),
)


def pin(trial):
    trial.backend.make_deterministic()


def count_uses(trial):
    return int(trial.backend.deterministic())


def pin_script(session, name):
    session.after_import("tensorflow", _of_tensorflow)
    session.after_import("torch", backends.get("torch").make_deterministic)


def _of_tensorflow():
    """By the call, or the variable where there is none yet."""
    import tensorflow as tf

    there = hasattr(
        getattr(getattr(tf, "config", None), "experimental", None), "enable_op_determinism"
    )
    backends.get("tensorflow" if there else "tensorflow2").make_deterministic()

"""Precision: the data type of the weights and of the computation.

A Keras ``dtype_policy`` names two data types: one for the weights and one for the computation.
``mixed_bfloat16`` and ``mixed_float16`` keep float32 weights and compute in 16 bits. With
``mixed_float16``, Keras also wraps the optimizer in a ``LossScaleOptimizer``, which skips steps
whose gradients overflow (``keras/src/trainers/trainer.py``, ``compile``). Runs match under each
policy, but no two policies give the same bits. The policy must be set before the layers are
created. The 16-bit kernels also depend on the CPU (AVX512_BF16, AMX).
"""

from detaudit_probes.backends import EVERY_BACKEND
from detaudit_probes.declare import Compare, Link, Setting, Source
from detaudit_probes.protocol import Settings

ID = "precision"

SOURCE = Source(
    id=ID,
    family="kernels and compilers",
    title="precision",
    breaks="16-bit arithmetic rounds to 11 or 8 significant bits instead of 24.",
    backends=EVERY_BACKEND + ("tf_keras",),
    experiment=Compare(
        models=("mlp", "cnn"),
        settings=(
            Setting("float32"),
            Setting("mixed_bfloat16", settings=Settings(dtype_policy="mixed_bfloat16")),
            Setting("mixed_float16", settings=Settings(dtype_policy="mixed_float16")),
            Setting("bfloat16", settings=Settings(dtype_policy="bfloat16")),
        ),
    ),
    links=(
        Link("Mixed precision policies", "https://keras.io/api/mixed_precision/"),
        Link("Mixed precision in TensorFlow", "https://www.tensorflow.org/guide/mixed_precision"),
    ),
    advice="Compare runs with the same dtype policy only, and state the policy in bug reports.",
)


def count_uses(trial):
    import keras

    return int(keras.mixed_precision.global_policy().name != "float32")

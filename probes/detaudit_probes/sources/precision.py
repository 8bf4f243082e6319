"""Precision: the number format of the weights and of the arithmetic.

A ``dtype_policy`` of Keras names two formats: that of the weights and that of the computation.
``mixed_bfloat16`` and ``mixed_float16`` keep float32 weights and compute in sixteen bits; under
``mixed_float16`` Keras also wraps the optimizer in a ``LossScaleOptimizer``, which skips steps
whose gradients overflow (``keras/src/trainers/trainer.py``, ``compile``). Each repeats itself; none
agrees with another. The policy must be set before the layers are made. Which sixteen-bit kernels
run depends on the CPU besides (AVX512_BF16, AMX).
"""

from detaudit_probes.declare import EVERY_BACKEND, Compare, Link, Setting, Source
from detaudit_probes.protocol import Settings

ID = "precision"

SOURCE = Source(
    id=ID,
    family="kernels and compilers",
    title="precision",
    breaks="Sixteen-bit arithmetic rounds to eleven or eight significant bits in place of 24.",
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
    advice="Name the dtype policy in a report, and compare runs of one policy only.",
)


def count_uses(trial):
    import keras

    return int(keras.mixed_precision.global_policy().name != "float32")

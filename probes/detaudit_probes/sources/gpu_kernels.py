"""GPU kernels: threads that add to one place in the order in which they arrive.

Many of TensorFlow's GPU kernels add with atomic operations: the gradients of a bilinear resize, of
a gather (an embedding), of a bias, segment sums, scatter updates, cross-entropy. The order, and
with it the last bits, is another one in every run. Op determinism replaces these kernels or raises
``UnimplementedError`` where there is no other; so does
``torch.use_deterministic_algorithms(True)``, which asks for ``CUBLAS_WORKSPACE_CONFIG`` besides.
XLA, and JAX with it, has ``--xla_gpu_deterministic_ops=true``, which switches autotuning off and
expands scatters (openxla/xla#12520). Every tiny model is tried, and one that is made of such
kernels.

This experiment has not run on a GPU yet; what is said of one is from the documentation and the
threads linked below.
"""

import sys

from detaudit_probes.declare import (
    EVERY_BACKEND,
    IMPORT,
    InScript,
    Link,
    Needs,
    Pin,
    Source,
    Unpin,
)
from detaudit_probes.kit.models import Tiny, spread

ID = "gpu-kernels"

XLA = "xla-deterministic"
_EXPERIMENT = Unpin(
    models=("source:" + ID, "text", "cnn", "lstm", "attention"),
    race=True,
    pins=("op-determinism",),
)

SOURCE = Source(
    id=ID,
    family="gpu",
    title="GPU kernels with atomic additions",
    breaks="Threads of a GPU add to one place in the order in which they arrive.",
    backends=EVERY_BACKEND,
    experiment=_EXPERIMENT,
    per_backend={"jax": _EXPERIMENT._replace(pins=(XLA,))},
    pins=(
        Pin(
            id=XLA,
            sources=(ID,),
            takes_effect=IMPORT,
            environment={"XLA_FLAGS": "--xla_gpu_deterministic_ops=true"},
            note="not run on a GPU yet; wrong results under it were reported once (jax-ml/jax#27796)",
        ),
    ),
    needs=Needs(gpus=1),
    links=(
        Link(
            "Determinism in deep learning (NVIDIA): what was found and when it was mended",
            "https://github.com/NVIDIA/framework-reproducibility/blob/master/doc/d9m/tensorflow.md",
        ),
        Link(
            "XLA: flags for deterministic operations", "https://github.com/openxla/xla/pull/12520"
        ),
        Link(
            "tf.config.experimental.enable_op_determinism",
            "https://www.tensorflow.org/api_docs/python/tf/config/experimental/enable_op_determinism",
        ),
    ),
    advice="Switch op determinism on; where it raises, replace the operation or place it on the CPU.",
    # On JAX alone: op determinism is the pin on the other backends, and a source of a script by
    # itself.
    script=InScript(XLA, race=True, sites=False),
)


def count_uses(trial):
    return int(trial.backend.gpu_in_use())


def touched(session, name):
    """1 where the script has computed on a GPU with JAX. To ask a runtime that was never started
    would start it.
    """
    if "jax" not in sys.modules:
        return 0
    import jax
    from jax._src import xla_bridge

    return int(xla_bridge.backends_are_initialized() and jax.default_backend() == "gpu")


def model(trial):
    """Embedded indices that repeat, enlarged bilinearly and then convolved: gradients that are
    scattered sums.
    """
    import keras

    network = keras.Sequential(
        [
            keras.Input((12, 12), dtype="int32"),
            keras.layers.Embedding(16, 8),
            keras.layers.UpSampling2D(4, interpolation="bilinear"),
            keras.layers.Conv2D(8, 3, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    x = (spread(64, 12, 12) * 16).astype("int32")
    y = (spread(64) * 10).astype("int64")
    return Tiny(
        network,
        x,
        y,
        loss="sparse_categorical_crossentropy",
        optimizer="sgd",
        batch_size=32,
        epochs=2,
    )

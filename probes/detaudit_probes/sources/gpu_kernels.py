"""GPU kernels with atomic additions: threads add to one location in the order in which they arrive.

Many of TensorFlow's GPU kernels add with atomic operations: the gradients of a bilinear resize, of
a gather (an embedding) and of a bias, segment sums, scatter updates, and cross-entropy. The order
of the additions, and so the last bits, vary from run to run. Op determinism replaces these kernels,
or raises ``UnimplementedError`` if there is no replacement.
``torch.use_deterministic_algorithms(True)`` does the same and also requires
``CUBLAS_WORKSPACE_CONFIG``. XLA, and so JAX, has ``--xla_gpu_deterministic_ops=true``, which
disables autotuning and expands scatters (openxla/xla#12520). The probe trains every tiny model and
one that is made of such kernels.

This experiment has not been run on a GPU yet. What this page says about GPUs comes from the
documentation and the threads linked below.
"""

from detaudit_probes.backends import EVERY_BACKEND, started
from detaudit_probes.declare import IMPORT, InScript, Link, Needs, Pin, Source, Unpin
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
    breaks="GPU threads add to one location in the order in which they arrive.",
    backends=EVERY_BACKEND,
    experiment=_EXPERIMENT,
    per_backend={"jax": _EXPERIMENT._replace(pins=(XLA,))},
    pins=(
        Pin(
            id=XLA,
            in_gpu_base=130,
            sources=(ID,),
            takes_effect=IMPORT,
            environment={"XLA_FLAGS": "--xla_gpu_deterministic_ops=true"},
            note="not run on a GPU yet; wrong results with this flag were reported once (jax-ml/jax#27796)",
        ),
    ),
    needs=Needs(gpus=1),
    links=(
        Link(
            "Determinism in deep learning (NVIDIA): known sources and the versions that fixed them",
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
    advice="Enable op determinism. If an operation raises, replace it or place it on the CPU.",
    # For JAX only: on the other backends op determinism is the pin, and a source by itself.
    script=InScript(XLA, rank=190, may_fail=True, race=True, sites=False),
)


def count_uses(trial):
    return int(trial.backend.gpu_in_use())


def touched(session, name):
    """Return 1 if the script has computed on a GPU with JAX, else 0. The check never starts JAX's
    runtime.
    """
    if not started.jax():
        return 0
    import jax

    return int(jax.default_backend() == "gpu")


def model(trial):
    """Repeated embedding indices, enlarged bilinearly and then convolved: the gradients are
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

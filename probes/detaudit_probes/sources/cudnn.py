"""cuDNN: NVIDIA's kernels for convolutions and recurrent layers, and how TensorFlow chooses one.

When TensorFlow first meets a convolution, it times the algorithms that cuDNN offers and takes the
fastest. The choice depends on timing and may change from process to process. Some of the algorithms
also add with atomic operations. ``TF_CUDNN_USE_AUTOTUNE=0`` (and ``TF_CUDNN_RNN_USE_AUTOTUNE=0``)
takes cuDNN's own first choice. ``TF_CUDNN_DETERMINISTIC=1`` and op determinism allow only
deterministic algorithms. Do not combine the first two variables with the third on older versions,
where disabling autotuning defeated it (tensorflow/tensorflow#24747). ``TF_USE_CUDNN_AUTOTUNE`` is a
misspelling that does nothing.

There are two ways to avoid cuDNN. ``LSTM(use_cudnn=False)`` runs a recurrent layer as TensorFlow's
own loop. XLA with ``--xla_gpu_experimental_disable_binary_libraries`` compiles a step without
NVIDIA's libraries; it has no convolutions of its own, so this is tried on recurrent layers only,
with autotuning disabled.

This experiment has not been run on a GPU yet. What this page says about GPUs comes from the
documentation and the threads linked below.
"""

from detaudit_probes.backends import started
from detaudit_probes.declare import IMPORT, Compare, InScript, Link, Needs, Pin, Setting, Source
from detaudit_probes.protocol import Settings

ID = "cudnn"
# The base condition pins them by op determinism, which is one of the settings here.
GPU_KERNELS = "gpu-kernels"

_WITHOUT_LIBRARIES = (
    "--xla_gpu_experimental_disable_binary_libraries=true --xla_gpu_autotune_level=0"
)

SOURCE = Source(
    id=ID,
    family="gpu",
    title="cuDNN",
    breaks="Convolution algorithms are chosen by timing, and some of them add in a varying order.",
    experiment=Compare(
        models=("cnn", "lstm"),
        settings=(
            Setting("autotuning on", without=(GPU_KERNELS,)),
            Setting(
                "deterministic",
                without=(GPU_KERNELS,),
                pins=("cudnn-deterministic",),
                models=("cnn",),
            ),
            Setting("op determinism", pins=("op-determinism",)),
            Setting(
                "autotuning off",
                without=(GPU_KERNELS,),
                pins=("cudnn-autotune-off",),
                models=("cnn",),
            ),
            Setting(
                "use_cudnn=False",
                without=(GPU_KERNELS,),
                settings=Settings(use_cudnn=False),
                models=("lstm",),
            ),
            Setting(
                "XLA without NVIDIA's libraries",
                without=(GPU_KERNELS,),
                settings=Settings(jit_compile=True, use_cudnn=False),
                environment={"XLA_FLAGS": _WITHOUT_LIBRARIES},
                models=("lstm",),
            ),
        ),
        race=True,
    ),
    pins=(
        Pin(
            id="cudnn-deterministic",
            sources=(ID,),
            takes_effect=IMPORT,
            environment={"TF_CUDNN_DETERMINISTIC": "1"},
            note="not run on a GPU yet; according to the documentation, for convolutions only",
        ),
        Pin(
            id="cudnn-autotune-off",
            sources=(ID,),
            takes_effect=IMPORT,
            environment={"TF_CUDNN_USE_AUTOTUNE": "0", "TF_CUDNN_RNN_USE_AUTOTUNE": "0"},
            note="not run on a GPU yet; do not combine with TF_CUDNN_DETERMINISTIC on old versions (tensorflow#24747)",
        ),
    ),
    needs=Needs(gpus=1),
    links=(
        Link(
            "TensorFlow pull request 24747: TF_CUDNN_DETERMINISTIC, and not with autotuning off",
            "https://github.com/tensorflow/tensorflow/pull/24747",
        ),
        Link(
            "TensorFlow issue 53771: the selection was not deterministic in 2.5 to 2.8",
            "https://github.com/tensorflow/tensorflow/issues/53771",
        ),
        Link(
            "cuDNN: reproducibility (determinism)",
            "https://docs.nvidia.com/deeplearning/cudnn/latest/developer/misc.html",
        ),
    ),
    advice="Enable op determinism and use the same cuDNN version everywhere.",
    script=InScript("cudnn-deterministic", rank=174, race=True, sites=False),
)


def count_uses(trial):
    """Return 1 if a GPU is used by a build of TensorFlow that has cuDNN, else 0."""
    import tensorflow as tf

    return int(
        bool(tf.config.get_visible_devices("GPU"))
        and bool(tf.sysconfig.get_build_info().get("cudnn_version"))
    )


def touched(session, name):
    """Like :func:`count_uses`, of a script, which may use any version of TensorFlow."""
    return count_uses(session) if started.tensorflow_gpus() else 0

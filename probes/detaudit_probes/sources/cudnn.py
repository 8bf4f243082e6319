"""cuDNN: NVIDIA's kernels for convolutions and recurrent layers, and how one of several is chosen.

TensorFlow times the algorithms that cuDNN offers for each convolution when it first meets it, and
takes the fastest: a choice by the clock, which may fall differently in the next process, and some
of the algorithms add with atomic operations besides. ``TF_CUDNN_USE_AUTOTUNE=0`` (and
``TF_CUDNN_RNN_USE_AUTOTUNE=0``) takes cuDNN's own first choice; ``TF_CUDNN_DETERMINISTIC=1`` leaves
only algorithms that repeat themselves, and op determinism does so too. The first two must not be
combined with the third on older versions: switching autotuning off then thwarted it
(tensorflow/tensorflow#24747). ``TF_USE_CUDNN_AUTOTUNE`` is a misspelling that does nothing.

Off altogether: ``LSTM(use_cudnn=False)`` runs a recurrent layer as TensorFlow's own loop, and XLA
with ``--xla_gpu_experimental_disable_binary_libraries`` compiles a step without NVIDIA's libraries
(it has no convolutions of its own, so that is tried on recurrent layers only; autotuning is
switched off beside it).

This experiment has not run on a GPU yet; what is said of one is from the documentation and the
threads linked below.
"""

from detaudit_probes.declare import IMPORT, Compare, Link, Needs, Pin, Setting, Source
from detaudit_probes.protocol import Settings

ID = "cudnn"
GPU_KERNELS = "gpu-kernels"  # the base condition pins them, by op determinism, which is one of the settings here

_WITHOUT_LIBRARIES = (
    "--xla_gpu_experimental_disable_binary_libraries=true --xla_gpu_autotune_level=0"
)

SOURCE = Source(
    id=ID,
    family="gpu",
    title="cuDNN",
    breaks="The algorithm of a convolution is chosen by timing, and some algorithms add in an order of their own.",
    experiment=Compare(
        models=("cnn", "lstm"),
        settings=(
            Setting("autotuned", without=(GPU_KERNELS,)),
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
                "XLA without libraries",
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
            note="not run on a GPU yet; by the documentation for convolutions alone",
        ),
        Pin(
            id="cudnn-autotune-off",
            sources=(ID,),
            takes_effect=IMPORT,
            environment={"TF_CUDNN_USE_AUTOTUNE": "0", "TF_CUDNN_RNN_USE_AUTOTUNE": "0"},
            note="not run on a GPU yet; not together with TF_CUDNN_DETERMINISTIC on old versions (tensorflow#24747)",
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
    advice="Use op determinism, and one cuDNN version everywhere.",
)


def count_uses(trial):
    """1 where a GPU is in use by a build of TensorFlow that has cuDNN."""
    import tensorflow as tf

    return int(
        bool(tf.config.get_visible_devices("GPU"))
        and bool(tf.sysconfig.get_build_info().get("cudnn_version"))
    )

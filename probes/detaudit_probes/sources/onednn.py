"""oneDNN: Intel's kernels for convolutions and matrix products, which TensorFlow uses only on some
CPUs.

They add in a different order than Eigen's kernels, so enabling or disabling them changes the
results of almost every model; TensorFlow logs this when it is imported. ``TF_ENABLE_ONEDNN_OPTS``
(0, 1, false or true) is read at import; any other value is ignored with a warning. If it is not
set, the CPU decides: since TensorFlow 2.9 on Linux, oneDNN is on if the CPU has AVX512_VNNI,
AVX512_BF16, AVX_VNNI or AMX, or is an Arm Neoverse V1 (``tensorflow/core/util/port.cc``,
``DefaultOneDnnPolicy``; some versions on Windows on x86 had it on). So the same script and version
can give different bits on two machines although runs match on each of them. oneDNN's documentation
promises equal results only for the same CPU type and thread count (oneapi-src/oneDNN#1443).
"""

from detaudit_probes.declare import IMPORT, Compare, Link, Pin, Setting, Source

ID = "onednn"

SOURCE = Source(
    id=ID,
    family="kernels and compilers",
    title="oneDNN's kernels",
    breaks="TensorFlow uses oneDNN's kernels on some CPUs and Eigen's on others, which add in a different order.",
    backends=("tensorflow", "tf_keras"),
    experiment=Compare(
        models=("mlp", "cnn"),
        settings=(
            # A quick scan tries the first settings only: TensorFlow's default equals one of them on
            # every CPU.
            Setting("off", pins=("onednn-off",)),
            Setting("on", environment={"TF_ENABLE_ONEDNN_OPTS": "1"}),
            Setting("TensorFlow's default"),
        ),
    ),
    pins=(
        Pin(
            id="onednn-off",
            sources=(ID,),
            takes_effect=IMPORT,
            environment={"TF_ENABLE_ONEDNN_OPTS": "0"},
            lines={
                "*": (
                    "import os",
                    'os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"  # before TensorFlow is imported',
                )
            },
        ),
    ),
    links=(
        Link(
            "oneDNN in TensorFlow 2.9: numerical differences",
            "https://blog.tensorflow.org/2022/05/whats-new-in-tensorflow-29.html",
        ),
        Link(
            "oneDNN issue 1443: conditions for reproducible results",
            "https://github.com/oneapi-src/oneDNN/issues/1443",
        ),
    ),
    quick=True,
    advice="Set TF_ENABLE_ONEDNN_OPTS to the same value everywhere; otherwise the CPU decides. Whether two kinds of "
    "CPU then match was not tried.",
)


def count_uses(trial):
    from tensorflow.python.framework import test_util

    return int(test_util.IsMklEnabled())  # the runtime's decision, whatever the variable is

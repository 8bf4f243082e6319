"""oneDNN: Intel's kernels for convolutions and matrix products, used by TensorFlow on some CPUs and
not on others.

They add in another order than Eigen's, so switching them on or off moves almost every model;
TensorFlow says so itself when it is imported. ``TF_ENABLE_ONEDNN_OPTS`` (0, 1, false or true) is
read at that import, and any other value is ignored with a warning. Where it is not set, the CPU
decides: since TensorFlow 2.9 they are on on Linux where the CPU has AVX512_VNNI, AVX512_BF16,
AVX_VNNI or AMX, or is an Arm Neoverse V1 (``tensorflow/core/util/port.cc``,
``DefaultOneDnnPolicy``; Windows on x86 had them on in some versions). So one script with one
version gives other bits on two machines, each repeating itself. In the docs of oneDNN, equal
results are promised for one CPU type and one thread count only (oneapi-src/oneDNN#1443).
"""

from detaudit_probes.declare import IMPORT, Compare, Link, Pin, Setting, Source

ID = "onednn"

SOURCE = Source(
    id=ID,
    family="kernels and compilers",
    title="oneDNN's kernels",
    breaks="TensorFlow uses oneDNN's kernels on some CPUs and Eigen's on others: they add in another order.",
    backends=("tensorflow", "tf_keras"),
    experiment=Compare(
        models=("mlp", "cnn"),
        settings=(
            # What a quick scan tries comes first: what TensorFlow chooses is the same as one of
            # these on every CPU.
            Setting("off", pins=("onednn-off",)),
            Setting("on", environment={"TF_ENABLE_ONEDNN_OPTS": "1"}),
            Setting("as TensorFlow chooses"),
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
            "oneDNN issue 1443: what is reproducible",
            "https://github.com/oneapi-src/oneDNN/issues/1443",
        ),
    ),
    quick=True,
    advice="Set TF_ENABLE_ONEDNN_OPTS to one value everywhere: where it is not set, the CPU decides. That two kinds of "
    "CPU then match was not tried.",
)


def count_uses(trial):
    from tensorflow.python.framework import test_util

    return int(test_util.IsMklEnabled())  # what the runtime decided, whatever the variable says

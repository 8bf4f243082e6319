"""CPU or GPU: the same script on another device runs other kernels.

A GPU adds thousands of terms in blocks, a CPU in a few vectors, so every model moves; seeds of
TensorFlow's and Keras' stateless generators give the same random bits on both (Philox and ThreeFry
are integer arithmetic), but functions of them (a normal deviate's logarithm and cosine) need not.
TensorFlow takes the GPU whenever it sees one, and so do JAX and Keras on Torch: a driver that is
missing or a full card moves a training to the CPU with a warning only. To choose:
``tf.config.set_visible_devices([], "GPU")`` before the runtime starts, ``JAX_PLATFORMS=cpu``,
``KERAS_TORCH_DEVICE=cpu``, or ``CUDA_VISIBLE_DEVICES=-1`` for all of them before they are imported.

This experiment has not run on a GPU yet; what is said of one is from the documentation and the
threads linked below.
"""

from detaudit_probes.declare import EVERY_BACKEND, Compare, Link, Needs, Setting, Source

ID = "cpu-or-gpu"

SOURCE = Source(
    id=ID,
    family="gpu",
    title="CPU or GPU",
    breaks="A GPU's kernels split and add a sum in another way than a CPU's.",
    backends=EVERY_BACKEND,
    experiment=Compare(
        models=("mlp", "cnn"),
        settings=(Setting("CPU", device="cpu"), Setting("GPU", device="gpu")),
    ),
    needs=Needs(gpus=1),
    links=(
        Link("Use a GPU", "https://www.tensorflow.org/guide/gpu"),
        Link(
            "tf.config.set_visible_devices",
            "https://www.tensorflow.org/api_docs/python/tf/config/set_visible_devices",
        ),
    ),
    advice="Compare runs on one kind of device, and let a script say on which it runs.",
)


def count_uses(trial):
    """Whether this trial is placed on a GPU."""
    return int(trial.backend.gpu_in_use())

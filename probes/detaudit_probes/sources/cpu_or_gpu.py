"""CPU or GPU: the same script runs different kernels on a different device.

A GPU adds thousands of terms in blocks, a CPU adds them in a few vectors, so the results of every
model change. With equal seeds, the stateless generators of TensorFlow and Keras give the same
random bits on both (Philox and ThreeFry are integer arithmetic), but functions of these bits, such
as the logarithm and cosine of a normal deviate, need not.

TensorFlow, JAX and Keras on Torch all use a GPU if they see one. If the driver is missing or the
card is full, training moves to the CPU with only a warning. To choose a device, call
``tf.config.set_visible_devices([], "GPU")`` before the runtime starts, or set
``JAX_PLATFORMS=cpu``, ``KERAS_TORCH_DEVICE=cpu``, or for all of them ``CUDA_VISIBLE_DEVICES=-1``,
before they are imported.

This experiment has not been run on a GPU yet. What this page says about GPUs comes from the
documentation and the threads linked below.
"""

from detaudit_probes.backends import EVERY_BACKEND
from detaudit_probes.declare import Compare, Link, Needs, Setting, Source

ID = "cpu-or-gpu"

SOURCE = Source(
    id=ID,
    family="gpu",
    title="CPU or GPU",
    breaks="GPU kernels split and add up a sum differently than CPU kernels.",
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
    advice="Compare runs on the same kind of device, and let the script print the device it uses.",
)


def count_uses(trial):
    """Return 1 if this trial is placed on a GPU, else 0."""
    return int(trial.backend.gpu_in_use())

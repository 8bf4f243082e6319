"""TF32: float32 products rounded to ten bits before they are multiplied, on NVIDIA's Ampere and newer.

TensorFlow uses it for matrix products and convolutions by default since 2.4, on cards that have it and on no others, so
one script is computed with 24 significant bits on one card and with 11 on the next. It repeats itself.
``tf.config.experimental.enable_tensor_float_32_execution(False)`` switches it off. ``NVIDIA_TF32_OVERRIDE=0`` is read
by NVIDIA's libraries themselves and not by TensorFlow.

This experiment has not run on a GPU yet; what is said of one is from the documentation and the threads linked below.
"""
from detaudit_probes.declare import Compare, Link, Needs, Pin, Setting, Source

ID = "tf32"

SOURCE = Source(
    id=ID,
    family="gpu",
    title="TF32",
    breaks="On Ampere and newer GPUs float32 factors are rounded to TF32 before they are multiplied.",
    experiment=Compare(
        models=("mlp", "cnn", "attention"),
        settings=(Setting("on", pins=("op-determinism",)), Setting("off", pins=("op-determinism", "tf32-off"))),
    ),
    pins=(
        Pin(
            id="tf32-off",
            holds=(ID,),
            lines={"tensorflow": (
                "import tensorflow as tf",
                "tf.config.experimental.enable_tensor_float_32_execution(False)",
            )},
            note="slower matrix products and convolutions on Ampere and newer",
        ),
    ),
    needs=Needs(gpus=1),
    links=(
        Link("tf.config.experimental.enable_tensor_float_32_execution",
             "https://www.tensorflow.org/api_docs/python/tf/config/experimental/enable_tensor_float_32_execution"),
        Link("RFC: TensorFloat-32 by default", "https://github.com/tensorflow/community/pull/287"),
    ),
    advice="Switch TF32 off where runs on different GPUs must agree, or compare runs of one kind of card.",
)


def pin(trial):
    import tensorflow as tf

    tf.config.experimental.enable_tensor_float_32_execution(False)


def see(trial):
    """How many of the GPUs in use multiply in TF32: NVIDIA's from compute capability 8.0 on, if it is on."""
    import tensorflow as tf

    if not tf.config.experimental.tensor_float_32_execution_enabled():
        return 0
    capabilities = [tf.config.experimental.get_device_details(gpu).get("compute_capability")
                    for gpu in tf.config.get_visible_devices("GPU")]
    return sum(one is not None and one >= (8, 0) for one in capabilities)

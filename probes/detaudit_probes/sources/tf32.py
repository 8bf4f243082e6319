"""TF32: float32 products rounded to ten bits before they are multiplied, on NVIDIA's Ampere and
newer.

TensorFlow uses it for matrix products and convolutions by default since 2.4, on cards that have it
and on no others, so one script is computed with 24 significant bits on one card and with 11 on the
next. It repeats itself. ``tf.config.experimental.enable_tensor_float_32_execution(False)`` switches
it off. ``NVIDIA_TF32_OVERRIDE=0`` is read by NVIDIA's libraries themselves and not by TensorFlow.
Torch uses it for convolutions and not for matrix products by default, JAX for both where
``jax_default_matmul_precision`` says no more.

This experiment has not run on a GPU yet; what is said of one is from the documentation and the
threads linked below.
"""

from detaudit_probes.declare import EVERY_BACKEND, Compare, Link, Needs, Pin, Setting, Source

ID = "tf32"


def _on_and_off(pin):
    return Compare(
        models=("mlp", "cnn", "attention"),
        settings=(Setting("on", pins=(pin,)), Setting("off", pins=(pin, "tf32-off"))),
    )


SOURCE = Source(
    id=ID,
    family="gpu",
    title="TF32",
    breaks="On Ampere and newer GPUs float32 factors are rounded to TF32 before they are multiplied.",
    backends=EVERY_BACKEND,
    experiment=_on_and_off("op-determinism"),
    per_backend={"jax": _on_and_off("xla-deterministic")},
    pins=(
        Pin(
            id="tf32-off",
            sources=(ID,),
            lines={
                "tensorflow": (
                    "import tensorflow as tf",
                    "tf.config.experimental.enable_tensor_float_32_execution(False)",
                ),
                "torch": (
                    "import torch",
                    "torch.backends.cuda.matmul.allow_tf32 = False",
                    "torch.backends.cudnn.allow_tf32 = False",
                ),
                "jax": (
                    "import jax",
                    'jax.config.update("jax_default_matmul_precision", "float32")',
                ),
            },
            note="not run on a GPU yet",
        ),
    ),
    needs=Needs(gpus=1),
    links=(
        Link(
            "tf.config.experimental.enable_tensor_float_32_execution",
            "https://www.tensorflow.org/api_docs/python/tf/config/experimental/enable_tensor_float_32_execution",
        ),
        Link("RFC: TensorFloat-32 by default", "https://github.com/tensorflow/community/pull/287"),
    ),
    advice="Compare runs of one kind of card, with TF32 on in all of them or in none. That cards of different kinds "
    "match without it was not tried.",
)


def pin(trial):
    if trial.request.backend == "torch":
        import torch

        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    elif trial.request.backend == "jax":
        import jax

        jax.config.update("jax_default_matmul_precision", "float32")
    else:
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(False)


def count_uses(trial):
    """1 where the card in use multiplies in TF32 (NVIDIA's do from compute capability 8.0 on), and
    that is on.
    """
    if not trial.backend.gpu_in_use():
        return 0
    if trial.request.backend == "torch":
        import torch

        on = torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32
        return int(on and torch.cuda.get_device_capability() >= (8, 0))
    if trial.request.backend == "jax":
        import jax

        capability = float(getattr(jax.devices()[0], "compute_capability", 0))
        return int(jax.config.jax_default_matmul_precision is None and capability >= 8)
    import tensorflow as tf

    if not tf.config.experimental.tensor_float_32_execution_enabled():
        return 0
    capabilities = [
        tf.config.experimental.get_device_details(gpu).get("compute_capability")
        for gpu in tf.config.get_visible_devices("GPU")
    ]
    return int(any(one is not None and one >= (8, 0) for one in capabilities))

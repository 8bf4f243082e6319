"""TF32: NVIDIA GPUs since Ampere round float32 factors to 10 explicit bits before they multiply
them.

TensorFlow uses it by default for matrix products and convolutions since 2.4, on cards that have it,
so the same script computes with 24 significant bits on one card and with 11 on another. With each,
runs match. ``tf.config.experimental.enable_tensor_float_32_execution(False)`` disables it. NVIDIA's
libraries read ``NVIDIA_TF32_OVERRIDE=0`` themselves; TensorFlow does not. By default, Torch uses
TF32 for convolutions but not for matrix products, and JAX uses it for both unless
``jax_default_matmul_precision`` is set.

This experiment has not been run on a GPU yet. What this page says about GPUs comes from the
documentation and the threads linked below.
"""

import importlib

from detaudit_probes.backends import EVERY_BACKEND, started
from detaudit_probes.declare import Compare, Link, Needs, Pin, Setting, Source, Variation

ID = "tf32"
#: The precisions of JAX with which a GPU may use TF32; None is the default.
WITH_TF32 = (None, "default", "tensorfloat32")


def _on_and_off(pin):
    return Compare(
        models=("mlp", "cnn", "attention"),
        settings=(Setting("on", pins=(pin,)), Setting("off", pins=(pin, "tf32-off"))),
    )


SOURCE = Source(
    id=ID,
    family="gpu",
    title="TF32",
    breaks="Ampere and newer GPUs round float32 factors to TF32 before they multiply them.",
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
    advice="Compare runs on one kind of card, with TF32 enabled in all of them or in none. Whether different kinds "
    "of card match without it was not tried.",
    variation=Variation("without TF32", unpins=True),
)


def pin(trial):
    _off_of(trial.request.backend)()


def _off_of(backend):
    return {"torch": _torch_off, "jax": _jax_off}.get(backend, _tensorflow_off)


def _torch_off():
    cuda, cudnn = (importlib.import_module("torch.backends." + name) for name in ("cuda", "cudnn"))
    cudnn.allow_tf32 = False
    if hasattr(cuda, "matmul"):  # from 1.7 on
        cuda.matmul.allow_tf32 = False


def _jax_off():
    import jax

    jax.config.update("jax_default_matmul_precision", "float32")


def _tensorflow_off():
    import tensorflow as tf

    switch = getattr(tf.config.experimental, "enable_tensor_float_32_execution", None)
    if switch is not None:  # from 2.4 on
        switch(False)


def vary(session):
    for name in ("torch", "jax", "tensorflow"):
        session.after_import(name, _off_of(name))


def count_uses(trial):
    """Return 1 if TF32 is on and the card in use supports it (NVIDIA's from compute capability 8.0
    on).
    """
    if not trial.backend.gpu_in_use():
        return 0
    on = {"torch": _on_in_torch, "jax": _on_in_jax}.get(trial.request.backend, _on_in_tensorflow)
    return int(on())


def touched(session, name):
    """Like :func:`count_uses`, of a script, which may use several frameworks, of any version. A
    runtime that it has not started stays unstarted.
    """
    return int(
        (started.torch_on_gpu() and _on_in_torch())
        or (started.jax() and _on_in_jax())
        or (bool(started.tensorflow_gpus()) and _on_in_tensorflow())
    )


def _on_in_torch():
    import torch

    try:
        on = torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32
    except (AttributeError, RuntimeError):  # before 1.7; where the script uses the newer settings
        return False
    return on and torch.cuda.get_device_capability() >= (8, 0)


def _on_in_jax():
    import jax

    try:
        capability = float(getattr(jax.devices()[0], "compute_capability", 0))
    except ValueError:  # of another maker's card
        return False
    precision = getattr(jax.config, "jax_default_matmul_precision", None)
    return capability >= 8 and precision in WITH_TF32


def _on_in_tensorflow():
    import tensorflow as tf

    enabled = getattr(tf.config.experimental, "tensor_float_32_execution_enabled", None)
    if enabled is None or not enabled():  # from 2.4 on
        return False
    capabilities = [
        tf.config.experimental.get_device_details(gpu).get("compute_capability")
        for gpu in tf.config.get_visible_devices("GPU")
    ]
    return any(one is not None and one >= (8, 0) for one in capabilities)

"""Whether a script has started a framework's runtime. Asking imports and starts nothing, and works
with every version of a framework.
"""

import sys
from typing import Any, List


def tensorflow_context() -> Any:
    """Return TensorFlow's context of eager execution; None if there is none yet."""
    module = sys.modules.get("tensorflow.python.eager.context")
    return getattr(module, "_context", None)


def tensorflow() -> bool:
    context = tensorflow_context()
    return bool(
        getattr(context, "_initialized", False) or getattr(context, "_context_handle", None)
    )


def tensorflow_gpus() -> List[Any]:
    """Return the GPUs that TensorFlow 2 sees; none if it has not been started."""
    config = getattr(sys.modules.get("tensorflow"), "config", None)
    listing = getattr(config, "get_visible_devices", None)  # from 2.1 on
    return list(listing("GPU")) if listing is not None and tensorflow() else []


def jax() -> bool:
    bridge = sys.modules.get("jax._src.xla_bridge") or sys.modules.get("jax.lib.xla_bridge")
    return bool(getattr(bridge, "_backends", None))


def torch_on_gpu() -> bool:
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    return cuda is not None and bool(cuda.is_initialized())

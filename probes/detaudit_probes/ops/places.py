"""For whom an operation works: the layer or the loss whose call it is in, forward or backward, or the optimizer.

What is wrapped is wrapped while something is replayed, and given back afterwards.
"""
import contextlib
from typing import Any, Iterator

from detaudit_probes.ops.watch import Watch


@contextlib.contextmanager
def told_apart(watch: Watch) -> Iterator[None]:
    """Let ``watch`` know, for each operation in the block, its stage and its layer."""
    from keras.src.layers.layer import Layer
    from keras.src.losses.loss import Loss
    from keras.src.optimizers.base_optimizer import BaseOptimizer
    from keras.src.trainers.compile_utils import CompileLoss
    from tensorflow.python import pywrap_tfe
    from tensorflow.python.eager import backprop

    gradient = backprop._gradient_function
    wrapped = [(owner, "__call__", owner.__call__) for owner in (Layer, Loss, CompileLoss)]
    wrapped += [(BaseOptimizer, name, getattr(BaseOptimizer, name)) for name in ("apply", "apply_gradients")]

    def calling(given: Any) -> Any:
        def called(layer: Any, *arguments: Any, **named: Any) -> Any:
            watch.layers.append(str(getattr(layer, "path", None) or layer.name))
            try:
                return given(layer, *arguments, **named)
            finally:
                watch.layers.pop()

        return called

    def applying(given: Any) -> Any:
        def apply(optimizer: Any, *arguments: Any, **named: Any) -> Any:
            before, watch.stage = watch.stage, "update"
            try:
                return given(optimizer, *arguments, **named)
            finally:
                watch.stage = before

        return apply

    def differentiated(op_name: str, attr_tuple: Any, num_inputs: int, inputs: Any, outputs: Any, *rest: Any) -> Any:
        made = watch.forward(op_name, [*(inputs or ()), *(outputs or ())])
        before, watch.stage, line = watch.stage, "gradient", watch.line
        watch.layers.append(made.layer if made is not None else "")
        watch.line = made.line if made is not None else ""
        try:
            return gradient(op_name, attr_tuple, num_inputs, inputs, outputs, *rest)
        finally:
            watch.stage, watch.line = before, line
            watch.layers.pop()

    for owner, name, given in wrapped:
        setattr(owner, name, calling(given) if name == "__call__" else applying(given))
    pywrap_tfe.TFE_Py_RegisterGradientFunction(differentiated)
    try:
        yield
    finally:
        for owner, name, given in wrapped:
            setattr(owner, name, given)
        pywrap_tfe.TFE_Py_RegisterGradientFunction(gradient)

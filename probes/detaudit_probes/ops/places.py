"""The owner of an operation: the layer or the loss that calls it, or the optimizer.

Functions are wrapped during a replay and restored afterwards.
"""

import contextlib
from typing import Any, Callable, Iterator

from detaudit_probes.ops.recorder import OperationRecorder


def _nothing(stage: str, layer: str) -> Any:
    return contextlib.ExitStack()


@contextlib.contextmanager
def naming_layers(
    recorder: OperationRecorder, scope: Callable[[str, str], Any] = _nothing
) -> Iterator[None]:
    """Tell ``recorder`` the stage and the layer of each operation in the block.

    The context ``scope(stage, layer)`` is entered as well, for frameworks that take names from it.
    """
    from keras.src.layers.layer import Layer
    from keras.src.losses.loss import Loss
    from keras.src.optimizers.base_optimizer import BaseOptimizer
    from keras.src.trainers.compile_utils import CompileLoss

    wrapped = [(owner, "__call__", owner.__call__) for owner in (Layer, Loss, CompileLoss)]
    wrapped += [
        (BaseOptimizer, name, getattr(BaseOptimizer, name)) for name in ("apply", "apply_gradients")
    ]

    def calling(given: Any) -> Any:
        def called(layer: Any, *arguments: Any, **named: Any) -> Any:
            recorder.layers.append(str(getattr(layer, "path", None) or layer.name))
            try:
                with scope(recorder.stage, recorder.layer):
                    return given(layer, *arguments, **named)
            finally:
                recorder.layers.pop()

        return called

    def applying(given: Any) -> Any:
        def apply(optimizer: Any, *arguments: Any, **named: Any) -> Any:
            before, recorder.stage = recorder.stage, "update"
            try:
                with scope(recorder.stage, ""):
                    return given(optimizer, *arguments, **named)
            finally:
                recorder.stage = before

        return apply

    for owner, name, given in wrapped:
        setattr(owner, name, calling(given) if name == "__call__" else applying(given))
    try:
        yield
    finally:
        for owner, name, given in wrapped:
            setattr(owner, name, given)

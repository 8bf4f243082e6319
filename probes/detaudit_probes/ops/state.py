"""Everything that a step changes and that can be set back: variables and generators, whoever made them.

Not only Keras' own: the state of a ``tf.random.Generator`` is a variable, and Python code in a step may draw from a
generator of its own. What a step draws from and is not set back would look as if the step parted by itself.
"""
import gc
import random
import sys
from typing import Any, Callable, List, Tuple

Value = Any


class State:
    """The state as it is now, of the ``variables`` of Keras that are given and of all else that is found."""

    def __init__(self, variables: List[Any]) -> None:
        found = _found()
        self.variables = everything(variables, found)
        self._values = {id(one): (one, _numpy(one).copy()) for one in self.variables}
        self._generators = [(put, get()) for get, put in _generators(found)]
        self._operations = _operation_seeds()

    def add(self, other: "State") -> None:
        """Variables that ``other`` knows besides, as zeros."""
        for key, (one, value) in other._values.items():
            if key not in self._values:
                self._values[key] = one, value * 0

    def restore(self) -> None:
        from tensorflow.python.eager import context

        for one, value in self._values.values():
            one.assign(value)
        for put, state in self._generators:
            put(state)
        seed, state = self._operations
        eager = context.context()
        if seed is not None and state is not None:
            eager._rng.setstate(state)
        eager.clear_kernel_cache()  # the kernel of a random operation holds the state of its stream


def everything(variables: List[Any], found: Any = None) -> List[Any]:
    """TensorFlow's variables behind those of Keras, in their order, then all others that have a value."""
    mine = [getattr(one, "_value", one) for one in variables]
    known = {id(one) for one in mine}
    return mine + [one for one in (_found() if found is None else found)
                   if id(one) not in known and hasattr(one, "read_value") and _readable(one)]


def _found() -> List[Any]:
    """Every variable and every generator that this process holds."""
    from tensorflow.python.ops.resource_variable_ops import BaseResourceVariable

    kinds: Tuple[type, ...] = (BaseResourceVariable, random.Random)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        bits = getattr(numpy.random, "BitGenerator", None)  # since NumPy 1.17
        kinds += (numpy.random.RandomState,) + ((bits,) if bits is not None else ())
    # By type(), for a lazy proxy may import or compute when it is asked for its class.
    return [one for one in gc.get_objects() if issubclass(type(one), kinds)]


def _readable(variable: Any) -> bool:
    """Does it hold numbers, here and now? One of a graph or of another process does not."""
    dtype = variable.dtype
    numbers = dtype.is_floating or dtype.is_integer or dtype.is_complex or dtype.is_bool
    return bool(numbers and hasattr(variable.handle, "_id") and variable.is_initialized())


def _generators(found: List[Any]) -> List[Tuple[Callable[[], Value], Callable[[Value], None]]]:
    """How to get, and to put back, the state of each generator that has one."""
    ways: List[Tuple[Callable[[], Value], Callable[[Value], None]]] = []
    for one in found:
        if hasattr(one, "read_value") or isinstance(one, random.SystemRandom):
            continue
        if hasattr(one, "getstate"):
            ways.append((one.getstate, one.setstate))
        elif hasattr(one, "get_state"):
            ways.append((one.get_state, one.set_state))
        else:  # the bit generator of a numpy.random.Generator
            ways.append(((lambda one=one: one.state), (lambda state, one=one: setattr(one, "state", state))))
    return ways


def _operation_seeds() -> Tuple[Any, Any]:
    """TensorFlow's global seed, and the state of the generator of the operations' seeds."""
    from tensorflow.python.eager import context

    eager = context.context()
    generator = getattr(eager, "_rng", None)
    return eager._seed, generator.getstate() if generator is not None else None


def _numpy(variable: Any) -> Any:
    import numpy

    return numpy.asarray(variable.numpy())

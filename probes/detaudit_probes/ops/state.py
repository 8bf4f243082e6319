"""Everything that a step changes and that can be set back: variables and generators, whoever made
them.

Not only Keras' own: Python code in a step may draw from a generator of its own. What a step draws
from and is not set back would look as if the step parted by itself.
"""

import gc
import random
import sys
from typing import Any, Callable, List, Tuple

Value = Any
# How to get a generator's state, and to put it back
Way = Tuple[Callable[[], Value], Callable[[Value], None]]


class State:
    """The state as it is now, of the ``variables`` of Keras that are given and of all else that is
    found.

    A subclass knows its framework: the classes of what is to be found besides, which are its
    variables, how one is read and written, and which are its generators.
    """

    def __init__(self, variables: List[Any]) -> None:
        found = self._found()
        self.variables = self.chosen(variables, found)
        self._values = {id(one): (one, self.read(one)) for one in self.variables}
        self._generators = [(put, get()) for get, put in [*_plain(found), *self.generators(found)]]

    def add(self, other: "State") -> None:
        """Variables that ``other`` knows besides, as zeros."""
        for key, (one, value) in other._values.items():
            if key not in self._values:
                self._values[key] = one, self.nothing(value)

    def restore(self) -> None:
        for one, value in self._values.values():
            self.write(one, value)
        for put, state in self._generators:
            put(state)

    @classmethod
    def everything(cls, variables: List[Any]) -> List[Any]:
        """The framework's variables behind those of Keras, in their order, then all others that
        have a value.
        """
        return cls.chosen(variables, cls._found())

    @classmethod
    def chosen(cls, variables: List[Any], found: List[Any]) -> List[Any]:
        """:meth:`everything`, from what was found."""
        return []

    @staticmethod
    def kinds() -> Tuple[type, ...]:
        """The framework's classes of what is to be found besides Keras' variables."""
        return ()

    @staticmethod
    def read(variable: Any) -> Value:
        raise NotImplementedError

    @staticmethod
    def write(variable: Any, value: Value) -> None:
        raise NotImplementedError

    @staticmethod
    def nothing(value: Value) -> Value:
        """The value as zeros."""
        return value * 0

    @staticmethod
    def generators(found: List[Any]) -> List[Way]:
        """Those of the framework, and what else of it has a state to be got and put back, from what
        was found.
        """
        return []

    @classmethod
    def _found(cls) -> List[Any]:
        """Every variable and every generator that this process holds."""
        legacy, bits = _of_numpy()
        kinds = cls.kinds() + (random.Random,) + legacy + bits
        # By type(), for a lazy proxy may import or compute when it is asked for its class.
        return [one for one in gc.get_objects() if issubclass(type(one), kinds)]


def _of_numpy() -> Tuple[Tuple[type, ...], Tuple[type, ...]]:
    """The class of NumPy's legacy generators, and that of the bit generators of the others; none
    where it has none.
    """
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return (), ()
    bits = getattr(numpy.random, "BitGenerator", None)  # since NumPy 1.17
    return (numpy.random.RandomState,), (() if bits is None else (bits,))


def _plain(found: List[Any]) -> List[Way]:
    """The generators of Python and NumPy among what was found."""
    ways: List[Way] = []
    legacy, bits = _of_numpy()
    for one in found:
        kind = type(one)
        if issubclass(kind, random.SystemRandom):
            continue
        if issubclass(kind, random.Random):
            ways.append((one.getstate, one.setstate))
        elif issubclass(kind, legacy):
            ways.append((one.get_state, one.set_state))
        elif issubclass(kind, bits):  # of a numpy.random.Generator
            ways.append(
                ((lambda one=one: one.state), (lambda state, one=one: setattr(one, "state", state)))
            )
    return ways

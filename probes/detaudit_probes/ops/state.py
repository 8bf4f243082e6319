"""All state that a step changes and that can be restored: variables and generators, whoever created
them.

This is not only Keras' own: Python code in a step may draw from a generator of its own. If the
state of a generator is not restored, the step would seem to be nondeterministic.
"""

import gc
import random
import sys
from typing import Any, Callable, List, Tuple

Value = Any
# Functions that get and restore a generator's state
Way = Tuple[Callable[[], Value], Callable[[Value], None]]


class State:
    """The present state of the given ``variables`` of Keras and of everything else that is found.

    A subclass knows its framework: which other classes to search for, which of the objects are its
    variables, how to read and write one, and which are its generators.
    """

    def __init__(self, variables: List[Any]) -> None:
        found = self._found()
        self.variables = self.chosen(variables, found)
        self._values = {id(one): (one, self.read(one)) for one in self.variables}
        self._generators = [(put, get()) for get, put in [*_plain(found), *self.generators(found)]]

    def include(self, variable: Any) -> None:
        """Add a new variable of Keras, with its present value."""
        for one in self.chosen([variable], []):
            self._values[id(one)] = one, self.read(one)

    def add(self, other: "State") -> None:
        """Add variables that only ``other`` knows, as zeros."""
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
        """Return the framework's variables behind those of Keras, in their order, then all others
        that have a value.
        """
        return cls.chosen(variables, cls._found())

    @classmethod
    def chosen(cls, variables: List[Any], found: List[Any]) -> List[Any]:
        """Like :meth:`everything`, selected from the objects found."""
        return []

    @staticmethod
    def kinds() -> Tuple[type, ...]:
        """Return the framework's classes to search for besides Keras' variables."""
        return ()

    @staticmethod
    def read(variable: Any) -> Value:
        raise NotImplementedError

    @staticmethod
    def write(variable: Any, value: Value) -> None:
        raise NotImplementedError

    @staticmethod
    def nothing(value: Value) -> Value:
        """Return zeros like the value."""
        return value * 0

    @staticmethod
    def generators(found: List[Any]) -> List[Way]:
        """Select the framework's generators, and its other objects whose state can be restored,
        from those found.
        """
        return []

    @classmethod
    def _found(cls) -> List[Any]:
        """Return every variable and every generator in this process."""
        legacy, bits = _of_numpy()
        kinds = cls.kinds() + (random.Random,) + legacy + bits
        # By type(), because a lazy proxy may import or compute when its class is requested.
        return [one for one in gc.get_objects() if issubclass(type(one), kinds)]


def _of_numpy() -> Tuple[Tuple[type, ...], Tuple[type, ...]]:
    """Return the class of NumPy's legacy generators and that of bit generators; nothing if it lacks
    them.
    """
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return (), ()
    bits = getattr(numpy.random, "BitGenerator", None)  # since NumPy 1.17
    return (numpy.random.RandomState,), (() if bits is None else (bits,))


def _plain(found: List[Any]) -> List[Way]:
    """Select the generators of Python and NumPy from the objects found."""
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
        elif issubclass(kind, bits):  # the one of a numpy.random.Generator
            ways.append(
                ((lambda one=one: one.state), (lambda state, one=one: setattr(one, "state", state)))
            )
    return ways

"""Replaces a function that a script lets JAX compile: it does the same, and its calls
are observed.
"""

import functools
import inspect
import operator
import types
import weakref
from typing import Any, Dict, List, Optional, Set, Tuple

from detaudit_probes.hooks.keras.jax_or_torch import traced

#: The attribute of a user's function that stores what is known of its traces, so that both have the
#: same lifetime.
FOLLOWED = "_detaudit_followed"


class ByIdentity:
    """A value for each object, also for one without a hash; no object is kept alive."""

    def __init__(self) -> None:
        self._values: Dict[int, Tuple[Any, Any]] = {}  # a weak reference and the value

    def put(self, one: Any, value: Any) -> None:
        try:
            reference = weakref.ref(one, functools.partial(self._forget, id(one)))
        except TypeError:  # a NumPy scalar, which an uncompiled function may return
            return
        self._values[id(one)] = reference, value

    def get(self, one: Any, default: Any = None) -> Any:
        reference, value = self._values.get(id(one), (None, None))
        return value if reference is not None and reference() is one else default

    def _forget(self, key: int, reference: Any) -> None:
        if self._values.get(key, (None, None))[0] is reference:
            del self._values[key]


class Followed:
    """A function that JAX traces: ``traced`` is what JAX gets in its place, which does the same.

    ``names`` are those of its results, by the signature of a call: "" for a result that is no
    variable, and no names at all if no optimizer was applied. ``last`` are those of the last trace.
    ``results`` are the last call's with their names, by their ids; they are kept alive so that no
    other value gets one of these ids.
    """

    def __init__(self, hooks: Any, function: Any) -> None:
        self.hooks, self.function = hooks, function
        self.names: Dict[Any, List[str]] = {}
        self.last: Optional[List[str]] = None
        self.results: Dict[int, Tuple[str, Any]] = {}

        @functools.wraps(function)
        def followed(*arguments: Any, **named: Any) -> Any:
            import jax

            before, gradients = hooks.applications, hooks.gradients
            result = function(*arguments, **named)
            if hooks.applications > before:
                hooks.name_state(result)
            self.last = (
                [hooks.names.get(one, "") for one in jax.tree.leaves(result)]
                if hooks.applications > before
                else hooks.guess_names(function, gradients, arguments, named, result)
            )
            call = _signature(arguments, named)
            if call is not None:
                self.names[call] = self.last
            return result

        inner = function
        while isinstance(inner, functools.partial):
            inner = inner.func
        # JAX names the compiled function after this.
        followed.__name__ = getattr(inner, "__name__", type(inner).__name__)
        vars(followed).pop(FOLLOWED, None)
        self.traced = followed

    def call(self, compiled: Any, arguments: Any, named: Any, call: Any, anew: Any) -> Any:
        """Return the result of what JAX has ``compiled``. ``call`` is the call's signature;
        ``anew`` does the same with a function that JAX has not traced.
        """
        if call is not None and self.names.get(call) == []:
            import jax

            result = compiled(*arguments, **named)
            self.hooks.gave(jax.tree.leaves(result))
            return result
        return self.hooks.called(self, compiled, arguments, named, call, anew)

    def made(self) -> Dict[int, str]:
        """Return the names of the last step's results, by their ids."""
        return {key: name for key, (name, _) in self.results.items()}

    def __reduce__(self) -> Any:
        # A function may be copied with its attributes, even to another process: the copy gets None.
        return type(None), ()


class Compiled:
    """The result of ``jax.jit`` or ``jax.pmap``, like JAX's own except that calls of a step are
    observed.
    """

    def __init__(
        self, followed: Followed, jit: Any, choices: Dict[str, Any], maps: bool = False
    ) -> None:
        # First, because it copies the attributes of what it wraps, which may be one of these:
        # ``jax.grad`` of it, for example.
        functools.update_wrapper(self, followed.function)
        vars(self).pop(FOLLOWED, None)
        self._followed = followed
        self._static = _static(followed.function, choices)
        self._jitted = jit(followed.traced, **choices)
        self._anew = followed.function
        if maps:  # the function of one card is not the function of the call
            self._anew = jit(
                lambda *arguments, **named: followed.function(*arguments, **named), **choices
            )

    def __getattr__(self, name: str) -> Any:
        if name == "_jitted":
            raise AttributeError(name)
        return getattr(self._jitted, name)

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        return self if owner is None else types.MethodType(self, owner)

    def __reduce__(self) -> Any:
        # Like a function: pickled by its name, and a copy is the object itself.
        return self.__qualname__

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        if not self._followed.hooks.looks():
            return self._jitted(*arguments, **named)
        return self._followed.call(
            self._jitted, arguments, named, _signature(arguments, named, self._static), self._anew
        )

    # Defined on the class, where ``isinstance`` looks; raises if this JAX lacks it.
    @property
    def trace(self) -> Any:
        return self._stage(self._jitted.trace, Traced)

    @property
    def lower(self) -> Any:
        return self._stage(self._jitted.lower, Lowered)

    def _stage(self, original: Any, stage: Any) -> Any:
        def ahead(*arguments: Any, **named: Any) -> Any:
            return self._ahead(original, stage, arguments, named)

        return functools.wraps(original)(ahead)

    def _ahead(self, make: Any, stage: Any, arguments: Any, named: Any) -> Any:
        """Return what JAX makes of the function ahead of its calls, and of its names if that traces
        it.
        """
        before, self._followed.last = self._followed.last, None
        try:
            made = make(*arguments, **named)
        finally:
            names, self._followed.last = self._followed.last, before
        if names is None:  # it was traced before
            names = self._followed.names.get(_signature(arguments, named, self._static))
        return stage(self._followed, made, self._with_static(arguments, named), names)

    def _with_static(self, given: Any, named: Any) -> Any:
        """Return the function, called like a function compiled ahead of its calls: without static
        arguments.
        """
        kept = {name: one for name, one in named.items() if name in self._static}
        # Only static arguments are kept alive.
        are_static = [place in self._static for place in range(len(given))]
        static = [one for one, is_static in zip(given, are_static) if is_static]

        def function(*arguments: Any, **named: Any) -> Any:
            rest, fixed = iter(arguments), iter(static)
            whole = [next(fixed if is_static else rest) for is_static in are_static]
            return self._anew(*whole, **kept, **named)

        return function


class _InItsPlace:
    """Stands in for an object of JAX's, ``_jaxs``, and is like it except for its own attributes."""

    def __init__(self, followed: Followed, jaxs: Any, function: Any) -> None:
        self._followed, self._jaxs, self._function = followed, jaxs, function

    def __getattr__(self, name: str) -> Any:
        if name == "_jaxs":
            raise AttributeError(name)
        return getattr(self._jaxs, name)

    @property
    def __class__(self) -> Any:  # for ``isinstance``
        return type(self._jaxs)

    def __dir__(self) -> Any:
        return dir(self._jaxs)

    def __repr__(self) -> str:
        return repr(self._jaxs)


class _Stage(_InItsPlace):
    """A stage of a function compiled ahead of its calls, which are observed as well."""

    def __init__(
        self, followed: Followed, stage: Any, function: Any, names: Optional[List[str]]
    ) -> None:
        _InItsPlace.__init__(self, followed, stage, function)
        self._names = names


class Traced(_Stage):
    def lower(self, *arguments: Any, **named: Any) -> Any:
        return Lowered(
            self._followed, self._jaxs.lower(*arguments, **named), self._function, self._names
        )


class Lowered(_Stage):
    def compile(self, *arguments: Any, **named: Any) -> Any:
        return Ahead(
            self._followed, self._jaxs.compile(*arguments, **named), self._function, self._names
        )


class Ahead(_InItsPlace):
    """A function compiled ahead of its calls, like JAX's own except that its calls are observed."""

    def __init__(
        self, followed: Followed, compiled: Any, function: Any, names: Optional[List[str]]
    ) -> None:
        _InItsPlace.__init__(self, followed, compiled, function)
        # All calls use one trace, and static values are no longer arguments: one key.
        self._call = object()
        if names is not None:
            followed.names[self._call] = names

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        if not self._followed.hooks.looks():
            return self._jaxs(*arguments, **named)
        return self._followed.call(self._jaxs, arguments, named, self._call, self._function)


def _static(function: Any, choices: Dict[str, Any]) -> Set[Any]:
    """Return the places and the names of the arguments that JAX does not trace."""
    found: Set[Any] = set()
    for choice in ("static_argnums", "static_argnames", "static_broadcasted_argnums"):
        static = choices.get(choice)
        if static is None:
            continue
        if hasattr(static, "__index__"):  # an integer, also NumPy's
            found.add(operator.index(static))
        elif isinstance(static, str):
            found.add(static)
        else:
            found |= set(static)
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        names = []
    found |= {place + len(names) for place in found if isinstance(place, int) and place < 0}
    found |= {names[place] for place in found if isinstance(place, int) and 0 <= place < len(names)}
    return found | {names.index(name) for name in found if name in names}


def _signature(arguments: Any, named: Any, static: Optional[Set[Any]] = None) -> Any:
    """Return what calls that use the same trace have in common: the arguments' structure and
    shapes, and the static values.

    While a function is traced (no ``static``), every remaining number is static. Returns None if it
    cannot be compared.
    """
    import jax

    found: List[Any] = []
    for place, one in [*enumerate(arguments), *sorted(named.items())]:
        leaves, tree = jax.tree.flatten(one)
        shapes = [
            tuple(leaf.shape)
            if is_array(leaf) or traced([leaf]) or isinstance(leaf, jax.ShapeDtypeStruct)
            else ()
            if static is not None
            and place not in static
            and isinstance(leaf, (bool, int, float, complex))
            else leaf
            for leaf in leaves
        ]
        found.append((place, tree, *shapes))
    try:
        hash(tuple(found))
    except TypeError:
        return None
    return tuple(found)


def is_array(value: Any) -> bool:
    """Whether it is an array whose bits are on this host. (A dtype, a loss and a model have a
    ``dtype`` too.)
    """
    import jax
    import numpy

    return isinstance(value, (numpy.ndarray, numpy.generic)) or (
        isinstance(value, jax.Array) and not traced([value]) and value.is_fully_addressable
    )

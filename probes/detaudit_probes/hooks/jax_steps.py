"""Observing the steps of plain JAX: a function that the script lets JAX compile is a step if it
applies Optax's updates, or if it takes a gradient and returns a value that is like one of its
arguments: the next state.

Both are recognized while JAX traces the function; each later call is a step, observed like one of
Keras on JAX (:mod:`detaudit_probes.hooks.keras.jax`).
"""

import functools
import inspect
import sys
from typing import Any, Callable, Dict, List, Tuple

from detaudit_probes import backends
from detaudit_probes.hooks.keras.jax import LOOPS, OPTIMIZER, JaxHooks
from detaudit_probes.hooks.keras.jax_compiled import FOLLOWED, ByIdentity, is_array
from detaudit_probes.hooks.keras.jax_or_torch import Leaf, traced


def prepare(session: Any, recorder: Any) -> None:
    """Start when JAX is imported: a script may take ``jit`` from it before it imports Keras."""
    import jax

    if not hasattr(jax, "tree"):  # before JAX 0.4.25: only what it prints and saves is compared
        return
    plain = PlainJaxHooks(session, recorder)
    plain.prepare()

    def once_followed(make: Callable[[JaxHooks, Any], Any], original: Any) -> Any:
        made: List[Any] = []

        def function(*arguments: Any, **named: Any) -> Any:
            if not made:
                of_keras = [one for one in recorder.following if isinstance(one, JaxHooks)]
                made.extend(make(one, original) for one in of_keras)
            # TensorFlow imports Keras as well, and that trains nothing on JAX
            return (made[0] if made else make(plain, original))(*arguments, **named)

        return function

    session.wrap(jax, "jit", functools.partial(once_followed, JaxHooks.jitting))
    session.wrap(
        jax,
        "pmap",
        functools.partial(once_followed, functools.partial(JaxHooks.jitting, maps=True)),
    )
    for name, (place, keyword) in LOOPS.items():
        session.wrap(
            jax.lax,
            name,
            functools.partial(
                once_followed, functools.partial(JaxHooks.looping, place=place, keyword=keyword)
            ),
        )


class PlainJaxHooks(JaxHooks):
    """The hooks of a script without Keras."""

    adapter = "jax"

    def __init__(self, session: Any, recorder: Any) -> None:
        self.session, self.recorder, self.keras = session, recorder, None
        self._backend = backends.get(self.adapter)
        self.applications, self.names, self._given = 0, ByIdentity(), ByIdentity()
        self.gradients = 0  # taken while functions were traced
        self._are_gradients = ByIdentity()

    def prepare(self) -> None:
        """Called when JAX has been imported."""
        import jax

        for name in ("grad", "value_and_grad"):
            self.session.wrap(jax, name, self._wrap_grad)
        self.session.after_import("optax", self._follow_optax)

    def _wrap_grad(self, original: Any) -> Any:
        def make(*given: Any, **choices: Any) -> Any:
            function = original(*given, **choices)
            if any(isinstance(one, JaxHooks) for one in self.recorder.following):
                return function  # Keras is observed by its optimizers
            with_aux = choices.get("has_aux", given[2] if len(given) > 2 else False)

            @functools.wraps(function)
            def of_gradient(*arguments: Any, **named: Any) -> Any:
                result = function(*arguments, **named)
                with_value = original.__name__ == "value_and_grad"
                self._note_gradients(result[1] if with_value else result[0] if with_aux else result)
                return result

            vars(of_gradient).pop(FOLLOWED, None)
            return of_gradient

        return make

    def _note_gradients(self, gradients: Any) -> None:
        import jax

        leaves = jax.tree.leaves(gradients)
        if traced(leaves):
            self.gradients += 1
            for one in leaves:
                self._are_gradients.put(one, True)

    def _follow_optax(self) -> None:
        def wrapper(original: Any) -> Any:
            def apply_updates(params: Any, updates: Any) -> Any:
                result = original(params, updates)
                self._note_updates(result)
                return result

            return apply_updates

        self.session.wrap(sys.modules["optax"], "apply_updates", wrapper)

    def name_state(self, result: Any) -> None:
        """Name what a traced function returns of the state of Optax's optimizers, which is made of
        named tuples.
        """
        import jax

        found, _ = jax.tree_util.tree_flatten_with_path(result, is_leaf=_is_of_optax)
        for path, one in found:
            if _is_of_optax(one):
                name = "%sresult%s" % (OPTIMIZER, jax.tree_util.keystr(path))
                # The state of some holds the weights, which have their names
                leaves = _named(name, one)
                self.name([(path, leaf) for path, leaf in leaves if not self.names.get(leaf)])

    def _note_updates(self, params: Any) -> None:
        named = _named("params", params)
        if traced([one for _, one in named]):
            self.applications += 1
            self.name(named)
        elif self.looks() and all(is_array(one) for _, one in named):
            self.step([], [Leaf(name, one) for name, one in named], [])

    def guess_names(
        self, function: Any, gradients: int, arguments: Any, named: Any, result: Any
    ) -> List[str]:
        """Return the names of a traced function's results, "" for one that is no part of the next
        state; no names if the function is no step. ``gradients`` were taken before.
        """
        import jax

        if self.gradients == gradients:
            return []
        states = [(_kind(one), name) for name, one in _by_name(function, arguments, named)]
        parts = list(result) if type(result) in (tuple, list) else [result]
        names: List[str] = []
        for part in parts:
            leaves = jax.tree.leaves(part)
            kind = _kind(part)
            state = next((name for known, name in states if known == kind), "")
            if not state or all(self._are_gradients.get(one) for one in leaves):
                names += [""] * len(leaves)
            else:
                names += [name for name, _ in _named(state, part)]
        return names if any(names) else []


def _by_name(function: Any, arguments: Any, named: Dict[str, Any]) -> List[Tuple[str, Any]]:
    """Return the arguments that may be a state, with their names: all that contain floats."""
    try:
        words = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        words = []
    words += ["argument %d" % place for place in range(len(words), len(arguments))]
    # Of two that are alike, the first is the state: a later one may be its batch
    found = [*zip(words, arguments), *named.items()]
    return [(name, one) for name, one in found if _kind(one)[1]]


def _is_of_optax(value: Any) -> bool:
    return isinstance(value, tuple) and type(value).__module__.partition(".")[0] == "optax"


def _kind(value: Any) -> Tuple[Any, bool, Tuple[Any, ...]]:
    """Return the structure, whether there are floats in it, and the shapes and dtypes."""
    import jax
    import numpy

    leaves, tree = jax.tree.flatten(value)
    kinds = tuple((getattr(one, "shape", None), str(getattr(one, "dtype", ""))) for one in leaves)
    floats = [one for one in leaves if hasattr(one, "dtype")]
    return tree, any(jax.numpy.issubdtype(one.dtype, numpy.floating) for one in floats), kinds


def _named(name: str, value: Any) -> List[Tuple[str, Any]]:
    import jax

    leaves = jax.tree_util.tree_flatten_with_path(value)[0]
    return [(name + jax.tree_util.keystr(path), one) for path, one in leaves]

"""A step that a script compiles itself on JAX, replayed: the call of a pure function with copied
arguments.
"""

from typing import Any, Callable, Dict, List, Optional, Set, Tuple

from detaudit_probes.ops.frameworks import jaxprs


class Call:
    """A call that is about to be made and may be a step.

    ``made`` are the names of the last step's results, by their ids; ``is_array`` says which leaves
    are traced.
    """

    def __init__(
        self,
        pinpoint: Any,
        arguments: Tuple[Any, ...],
        named: Dict[str, Any],
        made: Dict[int, str],
        is_array: Callable[[Any], bool],
    ) -> None:
        import jax

        self._pinpoint = pinpoint
        leaves, self._structure = jax.tree.flatten((arguments, named))
        self._given = [
            (place, made.get(id(one), ""), _copied(one))
            for place, one in enumerate(leaves)
            if is_array(one)
        ]
        self._others = leaves

    def replay(
        self,
        traced: Callable[..., Any],
        compiled: Callable[..., Any],
        returned: Any,
        weights: Set[int],
    ) -> None:
        """Replay the call, which has ``returned``: ``traced`` equation by equation, ``compiled`` as
        a whole. The leaves of its result at the places ``weights`` are compared.
        """
        import jax

        step: List[Any] = []  # traced while layers are distinguished

        def again(arrays: List[Any], function: Callable[..., Any]) -> Any:
            leaves = list(self._others)
            for (place, _, _), array in zip(self._given, arrays):
                leaves[place] = array
            arguments, named = jax.tree.unflatten(self._structure, leaves)
            return function(*arguments, **named)

        def equations() -> Any:
            if not step:  # a new function, because JAX reuses earlier traces
                step.append(
                    jax.make_jaxpr(
                        lambda arrays: jax.tree.leaves(
                            again(arrays, lambda *some, **named: traced(*some, **named))
                        )
                    )([array for _, _, array in self._given])
                )
            # In their original order
            values = [jaxprs.Value(array, True, name) for _, name, array in self._given]
            return _shaped(
                [one.array for one in self._pinpoint.op_recorder.evaluate(step[0], values)], weights
            )

        def whole() -> Any:
            return _shaped(
                jax.tree.leaves(again([_copied(array) for _, _, array in self._given], compiled)),
                weights,
            )

        self._pinpoint.replay(
            "jax.jit", equations, whole, _shaped(jax.tree.leaves(returned), weights)
        )


def begun(pinpoint: Optional[Any], *given: Any) -> Optional[Call]:
    """Return the :class:`Call` that begins now, if it is the step to be replayed, or may be."""
    if pinpoint is None or not pinpoint.take():
        return None
    try:
        return Call(pinpoint, *given)
    except Exception as error:
        pinpoint.fail(error, "jax.jit")
        return None


def _shaped(leaves: List[Any], weights: Set[int]) -> Tuple[Any, Tuple[List[Any]]]:
    """Return the leaves like a step of Keras: what is reported, and a state that begins with the
    weights.
    """
    return (
        [one for place, one in enumerate(leaves) if place not in weights],
        ([one for place, one in enumerate(leaves) if place in weights],),
    )


def _copied(array: Any) -> Any:
    """Copy the array: the step may donate the memory of its arguments."""
    import jax.numpy as jnp

    return jnp.copy(array) if hasattr(array, "devices") else array.copy()

"""The equations of a jaxpr during execution: their values, and loops, turn by turn."""

from typing import Any, List, Optional, Tuple

#: Equations that call Python code.
_PYTHON = (
    "pure_callback",
    "io_callback",
    "debug_callback",
    "python_callback",
    "buffer_callback",
    "debug_print",
)


class Value:
    """An array, whether an operation or the step's state produced it, and its fingerprint once it
    is requested.

    ``name`` is the variable whose value it is.
    """

    __slots__ = ("array", "made", "mark", "name")

    def __init__(self, array: Any, made: bool, name: str = "") -> None:
        self.array, self.made, self.name = array, made, name
        self.mark: Optional[int] = None


def calls_python(equation: Any) -> bool:
    """Does it call Python code, or does a function that it executes as one operation?"""
    inner = [
        one
        for value in equation.params.values()
        for one in (value if isinstance(value, tuple) else (value,))
        if hasattr(one, "eqns")
    ]
    return equation.primitive.name in _PYTHON or any(
        calls_python(each) for one in inner for each in one.eqns
    )


def last_used(jaxpr: Any) -> List[List[Any]]:
    """Return, for each equation, the variables that no later equation reads."""
    seen = {id(one) for one in jaxpr.outvars}
    found: List[List[Any]] = []
    for equation in reversed(jaxpr.eqns):
        mine = {
            id(one): one
            for one in [*equation.invars, *equation.outvars]
            if not hasattr(one, "val") and id(one) not in seen
        }
        seen.update(mine)
        found.append(list(mine.values()))
    return found[::-1]


def closed(jaxpr: Any) -> Any:
    from jax.extend.core import ClosedJaxpr

    return jaxpr if hasattr(jaxpr, "consts") else ClosedJaxpr(jaxpr, ())


def loop(inner: Any, parameters: Any, given: List[Value]) -> List[Value]:
    test, body = parameters["cond_nconsts"], parameters["body_nconsts"]
    tested, bodied, carried = given[:test], given[test : test + body], given[test + body :]
    while bool(inner(parameters["cond_jaxpr"], tested + carried)[0].array):
        carried = inner(parameters["body_jaxpr"], bodied + carried)
    return carried


def _counts(parameters: Any) -> Tuple[int, int]:
    """Return how many arguments of a scan are the same in each turn, and how many are its state."""
    if "num_consts" in parameters:
        return parameters["num_consts"], parameters["num_carry"]
    consts, carry, _ = parameters["ft_in"].unpack()  # since JAX 0.12
    return len(consts), len(carry)


def scan(inner: Any, parameters: Any, given: List[Value]) -> List[Value]:
    import jax.numpy as jnp

    consts, carry = _counts(parameters)
    fixed, carried, sliced = given[:consts], given[consts : consts + carry], given[consts + carry :]
    turns = range(parameters["length"])
    stacked: List[List[Value]] = []
    for turn in reversed(turns) if parameters["reverse"] else turns:
        results = inner(
            parameters["jaxpr"],
            fixed + carried + [Value(one.array[turn], one.made) for one in sliced],
        )
        carried = results[:carry]
        stacked.append(results[carry:])
    if parameters["reverse"]:
        stacked.reverse()
    if not stacked:  # no turns: XLA knows the shapes
        whole = [
            jnp.zeros((0, *one.shape), one.dtype) for one in parameters["jaxpr"].out_avals[carry:]
        ]
        return carried + [Value(one, True) for one in whole]
    return carried + [
        Value(jnp.stack([one.array for one in column]), True) for column in zip(*stacked)
    ]

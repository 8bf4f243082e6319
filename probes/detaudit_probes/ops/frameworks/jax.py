"""JAX: the equations of a step, evaluated one by one, with their inputs and outputs.

A step of ``fit`` is a pure function of its state. It is traced, and its equations are executed as
``jax.core.eval_jaxpr`` does, including those of inner functions and each turn of a loop. Operations
that XLA fuses in the compiled step run separately here; the report says whether the bits are the
same.
"""

import contextlib
import functools
import re
from typing import Any, Dict, Iterator, List, Optional, Tuple

from detaudit_probes.ops.event import Event
from detaudit_probes.ops.frameworks import jaxprs
from detaudit_probes.ops.places import naming_layers as of_keras
from detaudit_probes.ops.recorder import OperationRecorder as BaseRecorder
from detaudit_probes.ops.state import State as BaseState
from detaudit_probes.protocol import NOT_KNOWN
from detaudit_probes.recording.fingerprint import canonical_view

#: Equations that call an inner function, which is executed equation by equation as well.
_CALLS = (
    "pjit",
    "jit",
    "closed_call",
    "core_call",
    "call",
    "checkpoint",
    "remat",
    "remat2",
    "custom_jvp_call",
    "custom_vjp_call",
    "custom_vjp_call_jaxpr",
    "custom_vmap_call",
)
_INNER = ("jaxpr", "call_jaxpr", "fun_jaxpr", "call")  # the parameters that contain its function
_SCOPE = "detaudit:%s:%s"
_SCOPES = re.compile(r"detaudit:(\w*):([^/()]*)")


class OperationRecorder(BaseRecorder):
    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.recording = False

    def evaluate(
        self, closed: Any, given: List[jaxprs.Value], scopes: str = "", line: str = ""
    ) -> List[jaxprs.Value]:
        """Return the results of a closed jaxpr; each equation is an event while this observes.

        ``scopes`` and ``line`` are those of the equation that calls it.
        """
        known: Dict[Any, jaxprs.Value] = {}
        known.update(
            zip(closed.jaxpr.constvars, [jaxprs.Value(one, False) for one in closed.consts])
        )
        known.update(zip(closed.jaxpr.invars, given))

        def look(variable: Any) -> jaxprs.Value:
            return (
                jaxprs.Value(variable.val, False) if hasattr(variable, "val") else known[variable]
            )

        for equation, done in zip(closed.jaxpr.eqns, jaxprs.last_used(closed.jaxpr)):
            results = self._equation(equation, [look(one) for one in equation.invars], scopes, line)
            known.update(zip(equation.outvars, results))
            for one in done:
                # A step's memory is kept no longer than the step itself needs it
                known.pop(one, None)
        return [look(one) for one in closed.jaxpr.outvars]

    def _equation(
        self, equation: Any, given: List[jaxprs.Value], scopes: str, line: str
    ) -> List[jaxprs.Value]:
        name, parameters = equation.primitive.name, equation.params
        if self.recording and self.detailed:
            scopes, line = (
                "%s/%s" % (scopes, equation.source_info.name_stack),
                self._line(equation) or line,
            )
        inner = functools.partial(self.evaluate, scopes=scopes, line=line)
        called = next(
            (parameters[key] for key in _INNER if hasattr(parameters.get(key), "eqns")), None
        )
        if name in _CALLS and called is not None:
            return inner(jaxprs.closed(called), given)
        if name == "cond":
            return inner(parameters["branches"][int(given[0].array)], given[1:])
        # With a shape, each example of a batch ends by itself.
        if name == "while" and not parameters["cond_jaxpr"].out_avals[0].shape:
            return jaxprs.loop(inner, parameters, given)
        if name == "scan":
            return jaxprs.scan(inner, parameters, given)
        return self._execute(equation, given, scopes, line)

    def _execute(
        self, equation: Any, given: List[jaxprs.Value], scopes: str, line: str
    ) -> List[jaxprs.Value]:
        parameters = equation.primitive.get_bind_params(equation.params)
        # JAX 0.9 and older
        functions, parameters = parameters if isinstance(parameters, tuple) else ((), parameters)
        with contextlib.ExitStack() as stack:
            if hasattr(equation, "ctx"):
                stack.enter_context(equation.ctx.manager)
            found = equation.primitive.bind(*functions, *[one.array for one in given], **parameters)
        results = [
            jaxprs.Value(one, True)
            for one in (found if equation.primitive.multiple_results else [found])
        ]
        if self.recording:
            self.events.append(
                Event(
                    equation.primitive.name,
                    tuple(map(self._of, given)),
                    tuple(map(self._of, results)),
                    python=jaxprs.calls_python(equation),
                    attributes={
                        key: _plain(value)
                        for key, value in equation.params.items()
                        if _is_plain(value)
                    },
                    **(
                        self._details(equation, given, results, scopes, line)
                        if self.detailed
                        else {}
                    ),
                )
            )
        return results

    def _details(
        self,
        equation: Any,
        given: List[jaxprs.Value],
        results: List[jaxprs.Value],
        scopes: str,
        line: str,
    ) -> Dict[str, Any]:
        named = _SCOPES.findall(scopes)
        layer = named[-1][1].replace("|", "/") if named else ""
        stage = (
            "update"
            if any(stage == "update" for stage, _ in named)
            else "gradient"
            if "transpose(" in scopes
            else "forward"
        )
        return {
            "shapes": tuple(_described(one.array) for one in given),
            "results": tuple(_described(one.array) for one in results),
            "foreign": tuple(place for place, one in enumerate(given) if not one.made),
            "limits": tuple(_limits(one.array) for one in given),
            "device": _device(results),
            "stage": stage,
            "line": line or self.place(),
            "layer": layer or next((one.name for one in given if one.name), ""),
        }

    def _of(self, value: jaxprs.Value) -> int:
        """Return the fingerprint of a value, which never changes."""
        if value.mark is None:
            bits = _bits(value.array)
            value.mark = NOT_KNOWN if bits is None else self._hash(*canonical_view(bits))
        return value.mark

    def _line(self, equation: Any) -> str:
        """Return the user's line that an equation was traced from, if it is among the few frames
        that JAX keeps. A gradient's is that of its forward operation.
        """
        for frame in getattr(equation.source_info.traceback, "frames", ()):
            if self._users(frame.file_name):
                return "%s:%d" % (frame.file_name, frame.line_num)
        return ""


def _bits(value: Any) -> Optional[Any]:
    """Return the elements, also of a key of JAX's generators; None for values without elements
    (tokens).
    """
    import jax
    import numpy

    dtype = getattr(value, "dtype", None)
    if dtype is None:
        return numpy.asarray(value) if isinstance(value, (bool, int, float, complex)) else None
    if jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key):
        value = jax.random.key_data(value)
    return numpy.asarray(value)


def _described(value: Any) -> str:
    return "%s%s" % (
        getattr(value, "dtype", type(value).__name__),
        list(getattr(value, "shape", ())),
    )


def _limits(value: Any) -> Optional[Tuple[int, int]]:
    import numpy

    bits = _bits(value)
    whole = bits is not None and bits.dtype.kind in "iu" and bits.size
    return (int(numpy.min(bits)), int(numpy.max(bits))) if whole else None


def _device(results: List[jaxprs.Value]) -> str:
    devices = [
        str(device)
        for one in results[:1]
        if hasattr(one.array, "devices")
        for device in one.array.devices()
    ]
    return devices[0] if devices else ""


def _is_plain(value: Any) -> bool:
    """Whether it is neither a function nor a jaxpr, which vary from process to process and interest
    no reader.
    """
    return not callable(value) and "axpr" not in type(value).__name__


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return [_plain(one) for one in value]
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)[:200]


@contextlib.contextmanager
def recording(recorder: OperationRecorder) -> Iterator[OperationRecorder]:
    """Make every equation that ``recorder`` evaluates in the block an event."""
    recorder.begin()
    recorder.recording = True
    try:
        yield recorder
    finally:
        recorder.recording = False


@contextlib.contextmanager
def naming_layers(recorder: OperationRecorder) -> Iterator[None]:
    """Add stages, layers, and the updated weights to the scope names of code that is traced in the
    block.
    """
    import jax
    from keras.src.optimizers.base_optimizer import BaseOptimizer

    def scope(stage: str, layer: str) -> Any:
        return jax.named_scope(_SCOPE % (stage, layer.replace("/", "|")))

    def updating(optimizer: Any, *arguments: Any) -> Any:
        step = optimizer.update_step

        def update_step(gradient: Any, variable: Any, rate: Any) -> Any:
            with scope("update", variable.path):
                return step(gradient, variable, rate)

        optimizer.update_step = update_step
        try:
            return update(optimizer, *arguments)
        finally:
            del optimizer.update_step

    update, BaseOptimizer._backend_update_step = BaseOptimizer._backend_update_step, updating
    try:
        with of_keras(recorder, scope):
            yield
    finally:
        BaseOptimizer._backend_update_step = update


@contextlib.contextmanager
def eagerly() -> Iterator[None]:
    """Does nothing: equations are executed one by one."""
    yield


class State(BaseState):
    """Only the generators of Python code: a step takes its state as an argument and returns it."""


def ends(variables: List[Any], returned: Any, whole: bool = False) -> List[Any]:
    import jax

    _, state = returned
    return [_bits(one) for one in (jax.tree.leaves(returned) if whole else state[0])]


def stepping(pinpoint: Any, model: Any, given: Any) -> Any:
    """Return ``model``'s train function ``given``, which replays the requested step from a copy of
    its state.
    """
    import jax
    import jax.numpy as jnp

    def train_function(state: Any, iterator: Any) -> Any:
        if not pinpoint.take():
            return given(state, iterator)
        if model.steps_per_execution != 1:
            pinpoint.fail("several steps are executed together (steps_per_execution)")
            return given(state, iterator)
        try:
            data = next(iterator)
        except StopIteration:
            pinpoint.drop()
            raise
        try:
            before = jax.tree.map(jnp.copy, state)  # the step donates the memory of its state
        except Exception as error:
            pinpoint.fail(error)
            return given(state, iter([data]))
        returned = pinpoint.tried(given, state, iter([data]))
        names = [
            one.path
            for some in (
                model.trainable_variables,
                model.non_trainable_variables,
                model.optimizer.variables,
                model.metrics_variables,
            )
            for one in some
        ]
        step: List[Any] = []  # traced while layers are distinguished

        def equations() -> Any:
            if not step:
                step.extend(_traced(model.train_step, before, data))
            closed, structure = step
            values = [
                jaxprs.Value(one, True, name) for one, name in zip(jax.tree.leaves(before), names)
            ]
            values += [jaxprs.Value(one, False) for one in jax.tree.leaves(data)]
            return jax.tree.unflatten(
                structure, [one.array for one in pinpoint.op_recorder.evaluate(closed, values)]
            )

        def again() -> Any:
            return given(jax.tree.map(jnp.copy, before), iter([data]))

        if model.run_eagerly or not model.jit_compile:
            pinpoint.replay("fit", equations, None, returned, unrecorded=again)
        else:
            pinpoint.replay("fit", equations, again, returned)
        return returned

    return train_function


def _traced(step: Any, state: Any, data: Any) -> Tuple[Any, Any]:
    """Return the step as a closed jaxpr, and the structure of its result.

    A new function is traced, because JAX would reuse the trace that it made of ``step`` for the
    compiled one.
    """
    import jax

    closed, shapes = jax.make_jaxpr(lambda *given: step(*given), return_shape=True)(state, data)
    return closed, jax.tree.structure(shapes)

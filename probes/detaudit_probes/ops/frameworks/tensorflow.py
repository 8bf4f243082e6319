"""TensorFlow: every operation of eager code, with its inputs, its outputs and the new state of
variables.

TensorFlow calls back after each eager operation (``tensorflow/python/framework/op_callbacks.py``).
An operation on a resource has no output, so its variable is fingerprinted instead; its former state
is its state after the last operation that used it.
"""

import contextlib
from typing import Any, Dict, Iterator, List, Optional, Sequence, Set, Tuple

from detaudit_probes.ops.event import Event
from detaudit_probes.ops.places import naming_layers as of_keras
from detaudit_probes.ops.recorder import OperationRecorder as BaseRecorder
from detaudit_probes.ops.state import State as BaseState
from detaudit_probes.protocol import NOT_KNOWN
from detaudit_probes.recording.fingerprint import canonical_view


class OperationRecorder(BaseRecorder):
    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.line = ""  # the line of the forward operation whose gradient is being taken
        # By operation and one of its tensors: its place in the forward pass
        self._uses: Dict[Tuple[str, int], List[int]] = {}
        self._made: Set[int] = set()
        self._marks: Dict[int, int] = {}
        self._states: Dict[int, int] = {}
        self._names: Dict[int, str] = {}
        self._looking = False  # reading a value to fingerprint it is an operation too

    def begin(self) -> None:
        super().begin()
        self._uses, self._made, self._marks, self._names = {}, set(), {}, {}
        self._states = {
            variable.handle._id: self._of(variable.read_value())
            for _, variable in self._variables()
        }

    def __call__(
        self,
        operation: Any,
        inputs: Any,
        attrs: Any,
        outputs: Any,
        op_name: Any = None,
        graph: Any = None,
    ) -> None:
        """The callback itself. It returns nothing, so the results stay the operation's own."""
        if graph is not None or self._looking:  # traced, not executed; or our own
            return
        self._looking = True
        try:
            self._take(
                operation if isinstance(operation, str) else operation.decode(),
                inputs,
                attrs,
                outputs,
            )
        finally:
            self._looking = False

    def _take(self, operation: str, inputs: Any, attrs: Any, outputs: Any) -> None:
        went_in, came_out = [], []
        for tensor in inputs:
            if _is_handle(tensor):
                before = self._states.get(tensor._id, NOT_KNOWN)
                # It is unchanged: nothing to read
                still = operation in _READS and before != NOT_KNOWN
                after = before if still else self._state(tensor)
                went_in.append(after if before == NOT_KNOWN and operation in _READS else before)
                if after is not None:
                    self._states[tensor._id] = after
                    came_out.append(after)
            else:
                went_in.append(self._of(tensor))
        if operation == "ReadVariableOp" and came_out:
            self._marks[outputs[0]._id] = came_out[0]  # the value read was just fingerprinted
        came_out += [self._of(tensor) for tensor in outputs if not _is_handle(tensor)]
        marks = operation, tuple(went_in), tuple(came_out)
        attributes = _attributes(attrs)
        details = self._details(operation, inputs, outputs) if self.detailed else {}
        self.events.append(
            Event(
                *marks,
                attributes=attributes,
                call=_call(operation, attributes) if details else (),
                **details,
            )
        )

    def _details(self, operation: str, inputs: Any, outputs: Any) -> Dict[str, Any]:
        """Return the details of an operation besides its fingerprints."""
        foreign = [
            place
            for place, tensor in enumerate(inputs)
            if not _is_handle(tensor) and tensor._id not in self._made
        ]
        self._made.update(tensor._id for tensor in outputs)
        if self.stage == "forward":
            for tensor in [*inputs, *outputs]:
                self._uses.setdefault((operation, tensor._id), []).append(len(self.events))
        variables = [
            name
            for name in (self._name(tensor._id) for tensor in inputs if _is_handle(tensor))
            if name
        ]
        return {
            "shapes": tuple(map(_described, inputs)),
            "results": tuple(map(_described, outputs)),
            "foreign": tuple(foreign),
            "limits": tuple(map(_limits, inputs)),
            "device": next((tensor.device for tensor in outputs if tensor.device), ""),
            "stage": self.stage,
            "line": self.place() or self.line,
            "layer": self.layer or "".join(variables[:1]),
        }

    def forward(self, operation: str, tensors: Sequence[Any]) -> Optional[Event]:
        """Return the forward event of an operation whose gradient is requested, from the tensors
        that remain.
        """
        places = [
            place
            for tensor in tensors
            for place in self._uses.get((operation, getattr(tensor, "_id", -1)), ())
        ]
        return (
            self.events[max(set(places), key=lambda place: (places.count(place), place))]
            if places
            else None
        )

    def _name(self, handle: int) -> str:
        if handle not in self._names:
            self._names.update({variable.handle._id: name for name, variable in self._variables()})
        return self._names.get(handle, "")

    def _of(self, tensor: Any) -> int:
        """Return the fingerprint of a tensor, which never changes: that of an output is reused for
        inputs.
        """
        if not hasattr(tensor, "numpy"):
            return NOT_KNOWN
        mark = self._marks.get(tensor._id)
        if mark is None:
            # The former does not copy
            view = tensor._numpy() if hasattr(tensor, "_numpy") else tensor.numpy()
            mark = self._marks[tensor._id] = self._hash(*canonical_view(view))
        return mark

    def _state(self, handle: Any) -> Optional[int]:
        """Return the fingerprint of the variable behind a handle; None if there is none, or it has
        no value yet.
        """
        import tensorflow as tf

        data = getattr(handle, "_handle_data", None)
        if data is None or not data.is_set or len(data.shape_and_type) != 1:
            return None
        try:
            return self._of(
                tf.raw_ops.ReadVariableOp(resource=handle, dtype=data.shape_and_type[0].dtype)
            )
        except tf.errors.OpError:
            return None


#: Operations that do not change a variable: its state after one of them is its state before.
_READS = (
    "ReadVariableOp",
    "ResourceGather",
    "ResourceGatherNd",
    "VarIsInitializedOp",
    "VariableShape",
)


def _is_handle(tensor: Any) -> bool:
    return getattr(getattr(tensor, "dtype", None), "name", "") in ("resource", "variant")


def _described(tensor: Any) -> str:
    """Return ``float32[3, 4]``, and for the handle of a variable ``resource float32[3, 4]``."""
    data = getattr(tensor, "_handle_data", None) if _is_handle(tensor) else None
    if data is not None and data.is_set and len(data.shape_and_type) == 1:
        import tensorflow as tf

        shape, dtype = data.shape_and_type[0].shape, tf.as_dtype(data.shape_and_type[0].dtype)
        return "resource %s%s" % (dtype.name, [dimension.size for dimension in shape.dim])
    return "%s%s" % (tensor.dtype.name, list(tensor.shape) if tensor.shape.rank is not None else "")


def _limits(tensor: Any) -> Optional[Tuple[int, int]]:
    if getattr(tensor.dtype, "is_integer", False) and hasattr(tensor, "numpy"):
        value = tensor.numpy()
        return (int(value.min()), int(value.max())) if value.size else None
    return None


def _attributes(attrs: Any) -> Dict[str, Any]:
    """Return the attributes, which eager execution passes as one flat tuple of names and values;
    dtypes by name.
    """
    flat = list(attrs or ())
    return {str(name): _plain(value) for name, value in zip(flat[::2], flat[1::2])}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return (
        value
        if isinstance(value, (bool, int, float, str, type(None)))
        else str(getattr(value, "name", value))[:200]
    )


@contextlib.contextmanager
def recording(recorder: OperationRecorder) -> Iterator[OperationRecorder]:
    """Report every eager operation in the block to ``recorder``."""
    from tensorflow.python.framework import op_callbacks

    recorder.begin()
    op_callbacks.add_op_callback(recorder)
    try:
        yield recorder
    finally:
        op_callbacks.remove_op_callback(recorder)


class State(BaseState):
    def __init__(self, variables: List[Any]) -> None:
        super().__init__(variables)
        self._seed = _operation_seeds()

    def restore(self) -> None:
        from tensorflow.python.eager import context

        super().restore()
        seed, generator = self._seed
        eager = context.context()
        if seed is not None and generator is not None:
            eager._rng.setstate(generator)
        eager.clear_kernel_cache()  # the kernel of a random operation stores the state of its stream

    @classmethod
    def chosen(cls, variables: List[Any], found: List[Any]) -> List[Any]:
        mine = [getattr(one, "_value", one) for one in variables]
        known = {id(one) for one in mine}
        return mine + [
            one
            for one in found
            if id(one) not in known and hasattr(one, "read_value") and _readable(one)
        ]

    @staticmethod
    def kinds() -> Tuple[type, ...]:
        """The state of a ``tf.random.Generator`` is a variable."""
        from tensorflow.python.ops.resource_variable_ops import BaseResourceVariable

        return (BaseResourceVariable,)

    @staticmethod
    def read(variable: Any) -> Any:
        import numpy

        return numpy.array(variable.numpy())

    @staticmethod
    def write(variable: Any, value: Any) -> None:
        variable.assign(value)


def _readable(variable: Any) -> bool:
    """Does it have numbers that can be read here and now? A variable of a graph or of another
    process does not.
    """
    dtype = variable.dtype
    numbers = dtype.is_floating or dtype.is_integer or dtype.is_complex or dtype.is_bool
    return bool(numbers and hasattr(variable.handle, "_id") and variable.is_initialized())


def _operation_seeds() -> Tuple[Any, Any]:
    """Return TensorFlow's global seed, and the state of the generator of the operations' seeds."""
    from tensorflow.python.eager import context

    eager = context.context()
    generator = getattr(eager, "_rng", None)
    return eager._seed, generator.getstate() if generator is not None else None


@contextlib.contextmanager
def naming_layers(recorder: OperationRecorder) -> Iterator[None]:
    """Tell ``recorder`` the stage and the layer of each operation in the block; a gradient's are
    those of its forward operation.
    """
    from tensorflow.python import pywrap_tfe
    from tensorflow.python.eager import backprop

    gradient = backprop._gradient_function

    def differentiated(
        op_name: str, attr_tuple: Any, num_inputs: int, inputs: Any, outputs: Any, *rest: Any
    ) -> Any:
        made = recorder.forward(op_name, [*(inputs or ()), *(outputs or ())])
        before, recorder.stage, line = recorder.stage, "gradient", recorder.line
        recorder.layers.append(made.layer if made is not None else "")
        recorder.line = made.line if made is not None else ""
        try:
            return gradient(op_name, attr_tuple, num_inputs, inputs, outputs, *rest)
        finally:
            recorder.stage, recorder.line = before, line
            recorder.layers.pop()

    pywrap_tfe.TFE_Py_RegisterGradientFunction(differentiated)
    try:
        with of_keras(recorder):
            yield
    finally:
        pywrap_tfe.TFE_Py_RegisterGradientFunction(gradient)


@contextlib.contextmanager
def eagerly() -> Iterator[None]:
    """Execute every ``tf.function`` in the block operation by operation."""
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def ends(variables: List[Any], returned: Any, whole: bool = False) -> List[Any]:
    """Return the end state of a step, as arrays that may be live memory: the trained weights, or
    every variable and the returned values.
    """
    import tensorflow as tf

    found = [one.numpy() for one in variables if whole or one.trainable]
    return found + [
        one.numpy() for one in tf.nest.flatten(returned) if whole and hasattr(one, "numpy")
    ]


def _call(operation: str, attributes: Dict[str, Any]) -> Tuple[Tuple[str, Any], ...]:
    """Return how ``tf.raw_ops`` takes the operation."""
    from tensorflow.python.framework import op_def_registry

    definition = op_def_registry.get(operation)
    if definition is None:
        return ()
    found, place = [], 0  # type: List[Tuple[str, Any]], int
    for argument in definition.input_arg:
        if argument.number_attr or argument.type_list_attr:
            attribute = attributes.get(argument.number_attr or argument.type_list_attr, 0)
            count = attribute if isinstance(attribute, int) else len(attribute)
            found.append((argument.name, list(range(place, place + count))))
            place += count
        else:
            found.append((argument.name, place))
            place += 1
    named = {argument.name for argument in definition.input_arg}
    inferred = {
        name
        for argument in definition.input_arg
        for name in (argument.type_attr, argument.number_attr, argument.type_list_attr)
    }
    return tuple(found) + tuple(
        ("attribute " + attribute.name, attributes[attribute.name])
        for attribute in definition.attr
        if attribute.name in attributes and attribute.name not in inferred | named
    )

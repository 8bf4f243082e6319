"""Watching every operation of eager code: what went in, what came out, what became of the variables.

TensorFlow calls back after each eager operation (``tensorflow/python/framework/op_callbacks.py``). An operation on a
resource has no output; its variable is fingerprinted instead, and what it was before is what it was after the last
operation that touched it.
"""
import contextlib
import sys
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from detaudit_probes.fingerprint import Hasher, canonical_view

_DEEPEST = 100  # frames that are looked at for the user's line
NOT_KNOWN = 0   # the fingerprint of what cannot be read


class Event(NamedTuple):
    """One operation as it was executed. ``inputs`` and ``outputs`` are fingerprints, a variable's state among them.

    ``shapes`` and ``results`` say what the inputs and outputs are; ``foreign`` are the places of those inputs that no
    operation made: data, constants, and what Python code computed. ``limits`` are the least and the greatest element of
    inputs that are integers. ``stage`` is one of ``forward``, ``gradient`` and
    ``update``, ``layer`` the layer or the variable that it works for, ``line`` the user's that asked for it.
    """

    operation: str
    inputs: Tuple[int, ...]
    outputs: Tuple[int, ...]
    shapes: Tuple[str, ...] = ()
    results: Tuple[str, ...] = ()
    foreign: Tuple[int, ...] = ()
    limits: Tuple[Optional[Tuple[int, int]], ...] = ()
    device: str = ""
    attributes: Dict[str, Any] = {}
    stage: str = ""
    layer: str = ""
    line: str = ""


class Watch:
    """Collects the events of what is executed while it watches.

    ``users`` tells whether a file is the user's, ``variables`` (name, TensorFlow's variable) what is there. ``stage``
    and ``layers`` are set by who knows them (:mod:`detaudit_probes.ops.places`).
    """

    def __init__(self, hasher: Hasher, users: Callable[[str], bool] = lambda name: False,
                 variables: Callable[[], Sequence[Tuple[str, Any]]] = lambda: ()) -> None:
        self.events: List[Event] = []
        self.detailed = True  # false: the fingerprints alone, for a replay of what is known already
        self.stage = "forward"
        self.layers: List[str] = []
        self.line = ""  # of the forward operation whose gradient is being taken
        self._uses: Dict[Tuple[str, int], List[int]] = {}  # an operation and a tensor of its: where in the forward pass
        self._hash, self._users, self._variables = hasher, users, variables
        self._made: Set[int] = set()
        self._marks: Dict[int, int] = {}
        self._states: Dict[int, int] = {}
        self._names: Dict[int, str] = {}
        self._looking = False  # what is read to be fingerprinted is an operation too

    def begin(self) -> None:
        """Forget what was seen; take the state of the variables as it is."""
        self.events, self._uses, self._made, self._marks = [], {}, set(), {}
        self._names = {}
        self._states = {variable.handle._id: self._of(variable.read_value()) for _, variable in self._variables()}

    def __call__(self, operation: Any, inputs: Any, attrs: Any, outputs: Any, op_name: Any = None,
                 graph: Any = None) -> None:
        """The callback itself. It returns nothing, so the results stay the operation's own."""
        if graph is not None or self._looking:  # traced, not executed; or our own
            return
        self._looking = True
        try:
            self._take(operation if isinstance(operation, str) else operation.decode(), inputs, attrs, outputs)
        finally:
            self._looking = False

    def _take(self, operation: str, inputs: Any, attrs: Any, outputs: Any) -> None:
        went_in, came_out = [], []
        for tensor in inputs:
            if _is_handle(tensor):
                before = self._states.get(tensor._id, NOT_KNOWN)
                still = operation in _READS and before != NOT_KNOWN  # it is as it was: nothing to look at
                after = before if still else self._state(tensor)
                went_in.append(after if before == NOT_KNOWN and operation in _READS else before)
                if after is not None:
                    self._states[tensor._id] = after
                    came_out.append(after)
            else:
                went_in.append(self._of(tensor))
        if operation == "ReadVariableOp" and came_out:
            self._marks[outputs[0]._id] = came_out[0]  # what was read is what was just looked at
        came_out += [self._of(tensor) for tensor in outputs if not _is_handle(tensor)]
        marks = operation, tuple(went_in), tuple(came_out)
        details = self._details(operation, inputs, outputs) if self.detailed else {}
        self.events.append(Event(*marks, attributes=_attributes(attrs), **details))

    def _details(self, operation: str, inputs: Any, outputs: Any) -> Dict[str, Any]:
        """What is told of an operation besides its fingerprints."""
        foreign = [place for place, tensor in enumerate(inputs)
                   if not _is_handle(tensor) and tensor._id not in self._made]
        self._made.update(tensor._id for tensor in outputs)
        if self.stage == "forward":
            for tensor in [*inputs, *outputs]:
                self._uses.setdefault((operation, tensor._id), []).append(len(self.events))
        variables = [name for name in (self._name(tensor._id) for tensor in inputs if _is_handle(tensor)) if name]
        return {"shapes": tuple(map(_described, inputs)), "results": tuple(map(_described, outputs)),
                "foreign": tuple(foreign), "limits": tuple(map(_limits, inputs)),
                "device": next((tensor.device for tensor in outputs if tensor.device), ""),
                "stage": self.stage, "line": self._line() or self.line,
                "layer": self.layers[-1] if self.layers and self.layers[-1] else "".join(variables[:1])}

    def forward(self, operation: str, tensors: Sequence[Any]) -> Optional[Event]:
        """The event of the forward pass of an operation whose gradient is asked for, by what is left of its tensors."""
        places = [place for tensor in tensors for place in self._uses.get((operation, getattr(tensor, "_id", -1)), ())]
        return self.events[max(set(places), key=lambda place: (places.count(place), place))] if places else None

    def _name(self, handle: int) -> str:
        if handle not in self._names:
            self._names.update({variable.handle._id: name for name, variable in self._variables()})
        return self._names.get(handle, "")

    def _of(self, tensor: Any) -> int:
        """The fingerprint of a tensor, which never changes: what was an output is known where it is an input."""
        if not hasattr(tensor, "numpy"):
            return NOT_KNOWN
        mark = self._marks.get(tensor._id)
        if mark is None:
            view = tensor._numpy() if hasattr(tensor, "_numpy") else tensor.numpy()  # the former copies nothing
            mark = self._marks[tensor._id] = self._hash(*canonical_view(view))
        return mark

    def _state(self, handle: Any) -> Optional[int]:
        """The fingerprint of the variable behind a handle; None where it is none, or has no value yet."""
        import tensorflow as tf

        data = getattr(handle, "_handle_data", None)
        if data is None or not data.is_set or len(data.shape_and_type) != 1:
            return None
        try:
            return self._of(tf.raw_ops.ReadVariableOp(resource=handle, dtype=data.shape_and_type[0].dtype))
        except tf.errors.OpError:
            return None

    def _line(self) -> str:
        frame: Any = sys._getframe(4)
        for _ in range(_DEEPEST):
            if frame is None:
                return ""
            if self._users(frame.f_code.co_filename):
                return "%s:%d" % (frame.f_code.co_filename, frame.f_lineno)
            frame = frame.f_back
        return ""


#: They leave a variable as it is: what it is after one of them, it was before.
_READS = ("ReadVariableOp", "ResourceGather", "ResourceGatherNd", "VarIsInitializedOp", "VariableShape")


def _is_handle(tensor: Any) -> bool:
    return getattr(getattr(tensor, "dtype", None), "name", "") in ("resource", "variant")


def _described(tensor: Any) -> str:
    """``float32[3, 4]``, and of the handle of a variable ``resource float32[3, 4]``."""
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
    """Eager execution gives them as one flat tuple of names and values; dtypes by name."""
    flat = list(attrs or ())
    return {str(name): _plain(value) for name, value in zip(flat[::2], flat[1::2])}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(getattr(value, "name", value))[:200]


@contextlib.contextmanager
def watching(watch: Watch) -> Iterator[Watch]:
    """Every eager operation in the block is told to ``watch``."""
    from tensorflow.python.framework import op_callbacks

    watch.begin()
    op_callbacks.add_op_callback(watch)
    try:
        yield watch
    finally:
        op_callbacks.remove_op_callback(watch)


class Parting(NamedTuple):
    """The first operation that had equal inputs in all replays and ended on ``distinct`` results.

    ``python``: or the first to which Python code, and no operation, gave so many distinct inputs, or attributes.
    ``seen`` is what differs, replay by replay: two processes in which it is the same, in the same order, did not part
    there; something was not set back before each replay, a counter of Python code for one.
    """

    event: Event
    distinct: int
    seen: Tuple[Any, ...]
    python: bool

    @property
    def replays(self) -> int:
        return len(self.seen)


def first_parting(replays: Sequence[Sequence[Event]]) -> Optional[Parting]:
    """Where replays part first, in the order of execution; None where they do not, or the place is not watched.

    What is told of the place is what the first replay knows of it.
    """
    for events in zip(*replays):
        first = events[0]
        if len({(one.operation, len(one.inputs)) for one in events}) > 1:
            return None
        if any(one.attributes != first.attributes for one in events):  # another call, which Python code made
            return _parting(first, [str(one.attributes) for one in events], True)
        inputs = list(zip(*(one.inputs for one in events)))  # by place
        differing = [place for place, given in enumerate(inputs) if len(set(given)) > 1]
        if differing:
            python = set(differing) <= set(first.foreign)
            return _parting(first, list(zip(*(inputs[place] for place in differing))), True) if python else None
        outputs = [one.outputs for one in events]
        if len(set(outputs)) > 1:
            return None if NOT_KNOWN in first.inputs else _parting(first, outputs, False)
    return None


def _parting(event: Event, seen: Sequence[Any], python: bool) -> Parting:
    return Parting(event, len(set(seen)), tuple(seen), python)


def described(parting: Parting) -> Dict[str, Any]:
    """The parting as plain values, for a trace's notes."""
    return dict(described_event(parting.event), distinct=parting.distinct, replays=parting.replays,
                seen=parting.seen, python=parting.python)


def described_event(event: Event) -> Dict[str, Any]:
    """The event as plain values, with ``call``: how ``tf.raw_ops`` takes its inputs (a name and their places)."""
    return dict(event._asdict(), call=_call(event))


def marks(event: Event) -> List[Any]:
    """What of an event is compared with that of another replay: operation, inputs, outputs."""
    return [event.operation, event.inputs, event.outputs]


def _call(event: Event) -> List[Tuple[str, Any]]:
    from tensorflow.python.framework import op_def_registry

    definition = op_def_registry.get(event.operation)
    found, place = [], 0  # type: List[Tuple[str, Any]], int
    for argument in definition.input_arg if definition is not None else ():
        if argument.number_attr or argument.type_list_attr:
            attribute = event.attributes.get(argument.number_attr or argument.type_list_attr, 0)
            count = attribute if isinstance(attribute, int) else len(attribute)
            found.append((argument.name, list(range(place, place + count))))
            place += count
        else:
            found.append((argument.name, place))
            place += 1
    named = {argument.name for argument in definition.input_arg} if definition is not None else set()
    inferred = {name for argument in (definition.input_arg if definition is not None else ())
                for name in (argument.type_attr, argument.number_attr, argument.type_list_attr)}
    settings = [("attribute " + attribute.name, event.attributes[attribute.name])
                for attribute in (definition.attr if definition is not None else ())
                if attribute.name in event.attributes and attribute.name not in inferred | named]
    return found + settings

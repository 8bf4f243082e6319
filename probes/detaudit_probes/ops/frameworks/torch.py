"""Torch: every operation that reaches a kernel, what went in, what came out, and what it wrote.

A dispatch mode sees each operation below autograd, those of the backward pass among them
(``torch/utils/_python_dispatch.py``). An operation that writes into its inputs, and by ``out=``, is told by its schema;
what it has written is an output. A view computes nothing and is no event.
"""
import contextlib
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Set, Tuple

from detaudit_probes.fingerprint import Hasher, canonical_view
from detaudit_probes.ops.event import NOT_KNOWN, Event
from detaudit_probes.ops.places import told_apart as of_keras
from detaudit_probes.ops.state import State as BaseState
from detaudit_probes.ops.state import Way
from detaudit_probes.ops.watch import Watch as BaseWatch

#: The fingerprint of memory that nothing has been written to yet. Who reads it gets whatever lies there.
BLANK = 1
_GENERATOR = "generator"


class Watch(BaseWatch):
    def __init__(self, hasher: Hasher, users: Callable[[str], bool] = lambda name: False,
                 variables: Callable[[], Sequence[Tuple[str, Any]]] = lambda: ()) -> None:
        super().__init__(hasher, users, variables)
        self._forward: Dict[int, Tuple[str, str]] = {}  # layer and line of a forward operation, by sequence number
        self._storages: Dict[int, Any] = {}  # weak references: while there is one, no other has that address
        self._made: Set[int] = set()  # those that an operation has written to
        self._blank: Set[int] = set()
        self._names: Dict[int, str] = {}

    def begin(self) -> None:
        super().begin()
        self._forward, self._storages, self._made, self._blank = {}, {}, set(), set()
        self._names = {self._key(tensor): name for name, tensor in self._variables()}

    def execute(self, function: Any, arguments: Any, named: Any) -> Any:
        """The operation, told as an event."""
        import torch

        given = _given(function, arguments, named)
        tensors = [(argument, one) for argument, value in given for one in _tensors(value)]
        generators = _drawn_from(torch, function, given, tensors)
        node = torch._C._current_autograd_node()
        if node is None and self.detailed and torch.is_grad_enabled():  # the node of this operation is made already
            self._forward.setdefault(torch._C._autograd._get_sequence_nr() - 1, (self.layer, self.place()))
        blanks = function.overloadpacket.__name__.startswith(("empty", "new_empty"))
        silent = blanks or _is_view(function) or not all(_is_real(one) for _, one in tensors)
        went_in = [] if silent else [self._of(one) for _, one in tensors]
        went_in += [] if silent else [self._hash(*canonical_view(repr(one.get_state().tolist()))) for one in generators]
        details = self._details(node, given, tensors) if self.detailed and not silent else {}
        result = function(*arguments, **named)
        results = _tensors(result)
        if not all(_is_real(one) for one in results):
            return result
        if blanks:
            self._blank.update(self._key(one) for one in results)
        if silent:
            return result
        written = [one for argument, one in tensors if argument.alias_info is not None and argument.alias_info.is_write]
        for one in [*written, *results]:
            self._made.add(self._key(one))
            self._blank.discard(self._key(one))
        mine = {id(one) for one in written}
        outputs = written + [one for one in results if id(one) not in mine]
        came_out = [self._of(one) for one in outputs]
        came_out += [self._hash(*canonical_view(repr(one.get_state().tolist()))) for one in generators]
        if details:
            details["results"] = tuple(map(_described, outputs)) + (_GENERATOR,) * len(generators)
            details["shapes"] += (_GENERATOR,) * len(generators)
            details["limits"] += (None,) * len(generators)
        self.events.append(Event(str(function), tuple(went_in), tuple(came_out), attributes=_attributes(given),
                                 **details))
        return result

    def _details(self, node: Any, given: Any, tensors: Any) -> Dict[str, Any]:
        stage, layer, line = self.stage, self.layer, self.place()
        keys = [self._key(one) for _, one in tensors]
        if node is not None:
            stage = "gradient"
            layer, asked = self._forward.get(node._sequence_nr(), ("", ""))
            line = asked or line
        layer = layer or next((self._names[key] for key in keys if key in self._names), "")
        foreign = [place for place, key in enumerate(keys)
                   if key not in self._made and key not in self._names and key not in self._blank]
        return {"shapes": tuple(_described(one) for _, one in tensors), "foreign": tuple(foreign),
                "limits": tuple(_limits(one) for _, one in tensors), "stage": stage, "layer": layer, "line": line,
                "device": next((str(one.device) for _, one in tensors), ""), "call": _call(given)}

    def _key(self, tensor: Any) -> int:
        """The storage that a tensor is a view of."""
        from torch.multiprocessing.reductions import StorageWeakRef

        storage = tensor.untyped_storage()
        if storage._cdata not in self._storages:
            self._storages[storage._cdata] = StorageWeakRef(storage)
        return storage._cdata

    def _of(self, tensor: Any) -> int:
        if self._key(tensor) in self._blank:
            return BLANK
        bits = _bits(tensor)
        return NOT_KNOWN if bits is None else self._hash(*canonical_view(bits))


def _given(function: Any, arguments: Any, named: Any) -> List[Tuple[Any, Any]]:
    """What the operation is given: (argument of its schema, value)."""
    schema = function._schema.arguments
    return list(zip(schema, arguments)) + [(one, named[one.name]) for one in schema if one.name in named]


def _is_view(function: Any) -> bool:
    """Does what it returns share its memory with what it is given, unchanged?"""
    return any(one.alias_info is not None and not one.alias_info.is_write for one in function._schema.returns)


def _tensors(value: Any) -> List[Any]:
    import torch

    if isinstance(value, torch.Tensor):
        return [value]
    return [each for one in value for each in _tensors(one)] if isinstance(value, (list, tuple)) else []


def _is_real(tensor: Any) -> bool:
    """Does it hold elements, in a storage of its own kind? Others (meta, fake, sparse) are not looked at."""
    import torch

    return type(tensor) in (torch.Tensor, torch.nn.Parameter) and tensor.layout == torch.strided \
        and tensor.device.type != "meta"


def _bits(tensor: Any) -> Optional[Any]:
    """The elements as an array that may be live memory; dtypes that NumPy lacks as integers of their size."""
    import torch

    value = tensor.detach().resolve_conj().resolve_neg().cpu()
    if value.dtype == torch.bfloat16:
        return value.view(torch.int16).numpy()
    try:
        return value.numpy()
    except TypeError:
        return value.contiguous().view(torch.uint8).numpy() if value.dtype.is_floating_point else None


def _drawn_from(torch: Any, function: Any, given: Any, tensors: Any) -> List[Any]:
    """The generators whose state the operation takes and leaves: the one that it is given, or the default one."""
    if torch.Tag.nondeterministic_seeded not in function.tags:
        return []
    mine = [value for _, value in given if isinstance(value, torch.Generator)]
    device = next((one.device for _, one in tensors), torch.device("cpu"))
    device = next((torch.device(value) for argument, value in given if argument.name == "device" and value), device)
    if not mine and device.type == "cuda":
        return [torch.cuda.default_generators[device.index or 0]]
    return mine or [torch.default_generator]


def _described(tensor: Any) -> str:
    return "%s%s" % (str(tensor.dtype).replace("torch.", ""), list(tensor.shape))


def _limits(tensor: Any) -> Optional[Tuple[int, int]]:
    whole = not tensor.dtype.is_floating_point and not tensor.dtype.is_complex and str(tensor.dtype) != "torch.bool"
    return (int(tensor.min()), int(tensor.max())) if whole and tensor.numel() else None


def _attributes(given: Any) -> Dict[str, Any]:
    """What is no tensor, by name."""
    return {argument.name: _plain(value) for argument, value in given if not _tensors(value)}


def _call(given: Any) -> Tuple[Tuple[str, Any], ...]:
    """How ``torch.ops`` takes the operation: tensors by their places, of those in a list some may be None."""
    found, place = [], 0  # type: List[Tuple[str, Any]], int
    for argument, value in given:
        if isinstance(value, (list, tuple)) and _tensors(value):
            places = []  # type: List[Optional[int]]
            for one in value:
                places.append(place if one is not None else None)
                place += one is not None
            found.append((argument.name, places))
        elif _tensors(value):
            found.append((argument.name, place))
            place += 1
        else:
            found.append(("attribute " + argument.name, _plain(value)))
    return tuple(found)


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if type(value).__name__ == "Generator":
        return _GENERATOR  # its state is an input
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)


@contextlib.contextmanager
def watching(watch: Watch) -> Iterator[Watch]:
    """Every operation of this thread in the block, and of its backward passes, is told to ``watch``."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Mode(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return watch.execute(func, args, kwargs or {})

    watch.begin()
    with Mode():
        yield watch


@contextlib.contextmanager
def told_apart(watch: Watch) -> Iterator[None]:
    with of_keras(watch):
        yield


@contextlib.contextmanager
def eagerly() -> Iterator[None]:
    """Nothing: what is not compiled is eager."""
    yield


class State(BaseState):
    @classmethod
    def chosen(cls, variables: List[Any], found: List[Any]) -> List[Any]:
        """And the parameters and buffers of modules that are not Keras'."""
        mine = [one._value for one in variables]
        mine += [one for module in found if hasattr(module, "_parameters")
                 for own in (module._parameters, module._buffers) for one in own.values() if one is not None]
        return [one for one in {id(one): one for one in mine}.values() if _is_real(one)]

    @staticmethod
    def kinds() -> Tuple[type, ...]:
        import torch

        return (torch.nn.Module,)

    @staticmethod
    def read(variable: Any) -> Any:
        return variable.detach().clone()

    @staticmethod
    def write(variable: Any, value: Any) -> None:
        variable.detach().copy_(value)

    @staticmethod
    def generators() -> List[Way]:
        """The default ones. One of a script's own is known to nobody but the script."""
        import torch

        cards = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
        own = [torch.default_generator, *(torch.cuda.default_generators[card] for card in cards)]
        return [(one.get_state, one.set_state) for one in own]


def ends(variables: List[Any], returned: Any) -> List[Any]:
    return [_bits(one) for one in variables if one.requires_grad]


def stepping(pinpoint: Any, model: Any, given: Any) -> Any:
    """``model``'s train function ``given``, which replays the step that is to be."""
    def train_function(data: Any) -> Any:
        taken = pinpoint.take()
        returned = given(data)
        if taken:
            compiled = (lambda: given(data)) if model.jit_compile else None
            pinpoint.replay("fit", lambda: model.train_step(data[0]), compiled, returned)
        return returned

    return train_function

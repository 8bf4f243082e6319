"""Torch: every operation that reaches a kernel, with its inputs, its outputs, and what it wrote.

A dispatch mode sees each operation below autograd, including those of the backward pass
(``torch/utils/_python_dispatch.py``). The schema shows which operations write into their inputs,
also by ``out=``; what they have written is an output. A view computes nothing and is not an event.
"""

import contextlib
import copy
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Set, Tuple

from detaudit_probes.ops.event import Event
from detaudit_probes.ops.frameworks import torch_tensors as of
from detaudit_probes.ops.places import naming_layers as of_keras
from detaudit_probes.ops.recorder import OperationRecorder as BaseRecorder
from detaudit_probes.ops.state import State as BaseState
from detaudit_probes.ops.state import Way
from detaudit_probes.protocol import NOT_KNOWN
from detaudit_probes.recording.fingerprint import canonical_view

#: The fingerprint of memory that was not written yet. Code that reads it gets arbitrary content.
BLANK = 1
_EMPTY = (
    "empty",
    "empty_like",
    "empty_strided",
    "empty_permuted",
    "new_empty",
    "new_empty_strided",
)
#: Results that a kernel stores for its backward pass, partly in unwritten memory, by their places.
_SCRATCH = {
    "_ctc_loss": (1,),
    "mkldnn_rnn_layer": (3,),
    "_cudnn_rnn": (3, 4),
    "cudnn_batch_norm": (3,),
    "_use_cudnn_ctc_loss": (1,),
    "_cudnn_ctc_loss": (1,),
    "_scaled_dot_product_flash_attention": (6, 7, 8),
    "_scaled_dot_product_efficient_attention": (2, 3),
    "_scaled_dot_product_cudnn_attention": (6, 7, 8),
    "_flash_attention_forward": (2, 3, 4),
    "_efficient_attention_forward": (2, 3),
}


class _Noted(NamedTuple):
    """What was observed of an operation before it was executed."""

    name: str
    given: List[Tuple[Any, Any]]
    tensors: List[Tuple[Any, Any]]
    generators: List[Any]
    inputs: Tuple[int, ...]
    details: Dict[str, Any]
    silent: bool  # a view, or an operation on tensors that are not observed: no event


class OperationRecorder(BaseRecorder):
    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        # Layer and line of a forward operation, by sequence number
        self._forward: Dict[int, Tuple[str, str]] = {}
        self._sequence = 0  # the number of autograd's nodes at the last operation
        # Weak references: while one is alive, no other tensor has its address
        self._storages: Dict[int, Any] = {}
        self._made: Set[int] = set()  # the storages that an operation has written to
        self._blank: Set[int] = set()
        # Storages that were enlarged: the former content is kept, the rest is unwritten
        self._unknown: Set[int] = set()
        self._names: Dict[int, str] = {}

    def begin(self) -> None:
        import torch

        super().begin()
        self._forward, self._storages = {}, {}
        self._made, self._blank, self._unknown = set(), set(), set()
        self._sequence = torch._C._autograd._get_sequence_nr()
        self._names = {
            self._key(tensor): name
            for name, tensor in self._variables()
            if name and of.is_real(tensor)
        }

    def execute(self, function: Any, arguments: Any, named: Any) -> Any:
        """Execute the operation and report it as an event. An error while it is observed ends the
        observation, not the training.
        """
        looked = not self.failed and hasattr(function, "_schema")
        noted = self._tried(self._before, function, arguments, named) if looked else None
        result = function(*arguments, **named)
        if noted is not None:
            self._tried(self._after, function, noted, result)
        return result

    def _tried(self, look: Callable[..., Any], function: Any, *given: Any) -> Any:
        try:
            return look(function, *given)
        except Exception as error:
            self.failed = "%s at %s: %s" % (type(error).__name__, function, error)
            return None

    def _before(self, function: Any, arguments: Any, named: Any) -> _Noted:
        import torch

        given = of.given(function, arguments, named)
        tensors = [(argument, one) for argument, value in given for one in of.tensors(value)]
        node = torch._C._current_autograd_node()
        if node is None and self.detailed:
            self._remember(torch, tensors)
        name = function.overloadpacket.__name__
        silent = (
            name in (*_EMPTY, "resize_")
            or of.is_view(function)
            or not all(of.is_real(one) for _, one in tensors)
        )
        if silent:
            return _Noted(name, given, tensors, [], (), {}, True)
        generators = of.drawn_from(torch, function, given, tensors)
        inputs = [
            BLANK if of.is_overwritten(name, argument) else self._of(one)
            for argument, one in tensors
        ]
        inputs += [self._of_generator(one) for one in generators]
        details = self._details(node, name, given, tensors) if self.detailed else {}
        return _Noted(name, given, tensors, generators, tuple(inputs), details, False)

    def _after(self, function: Any, noted: _Noted, result: Any) -> None:
        results = [one for one in of.tensors(result) if of.is_real(one)]
        if noted.name in _EMPTY:
            self._blank.update(self._key(one) for one in results)
        if noted.name == "resize_":
            self._unknown.update(self._key(one) for one in results)
        if noted.silent:
            if noted.name not in _EMPTY and not of.is_view(function):
                self._made.update(self._key(one) for one in results)
            return
        written = [
            one
            for argument, one in noted.tensors
            if argument.alias_info is not None and argument.alias_info.is_write
        ]
        mine = {id(one) for one in written}
        outputs = written + [one for one in results if id(one) not in mine]
        scratch = [
            result[place] for place in _SCRATCH.get(noted.name, ()) if of.is_real(result[place])
        ]
        for one in outputs:
            self._made.add(self._key(one))
            self._blank.discard(self._key(one))
            self._unknown.discard(self._key(one))
        self._blank.update(self._key(one) for one in scratch)
        came_out = [self._of(one) for one in outputs] + [
            self._of_generator(one) for one in noted.generators
        ]
        details = noted.details
        if details:
            more = len(noted.generators)
            details["results"] = tuple(map(of.described, outputs)) + (of.GENERATOR,) * more
            details["shapes"] += (of.GENERATOR,) * more
            details["limits"] += (None,) * more
        self.events.append(
            Event(
                str(function),
                noted.inputs,
                tuple(came_out),
                attributes=of.attributes(noted.given),
                **details,
            )
        )

    def _remember(self, torch: Any, tensors: Any) -> None:
        """Store the owner of a forward operation under the number of the node that autograd has
        just created for it.

        If more than one was created, or the operation needs none, its owner is unknown.
        """
        now = torch._C._autograd._get_sequence_nr()
        made, self._sequence = now - self._sequence, now
        if made == 1 and torch.is_grad_enabled() and any(one.requires_grad for _, one in tensors):
            self._forward[self._sequence - 1] = self.layer, self.place()

    def _details(self, node: Any, name: str, given: Any, tensors: Any) -> Dict[str, Any]:
        stage, layer, line = self.stage, self.layer, self.place()
        keys = [self._key(one) for _, one in tensors]
        if node is not None:
            stage = "gradient"
            layer, asked = self._forward.get(node._sequence_nr(), ("", ""))
            line = asked or line
        layer = layer or next((self._names[key] for key in keys if key in self._names), "")
        foreign = [
            place
            for place, key in enumerate(keys)
            if key not in self._made and key not in self._names and key not in self._blank
        ]
        return {
            "shapes": tuple(of.described(one) for _, one in tensors),
            "foreign": tuple(foreign),
            "limits": tuple(of.limits(one) for _, one in tensors),
            "stage": stage,
            "layer": layer,
            "line": line,
            "device": next((str(one.device) for _, one in tensors), ""),
            "call": () if name in _SCRATCH else of.call(given),
        }

    def _key(self, tensor: Any) -> int:
        """Return the storage that a tensor is a view of."""
        from torch.multiprocessing.reductions import StorageWeakRef

        storage = tensor.untyped_storage()
        if storage._cdata not in self._storages:
            self._storages[storage._cdata] = StorageWeakRef(storage)
        return storage._cdata

    def _of_generator(self, generator: Any) -> int:
        return self._hash(*canonical_view(generator.get_state().numpy()))

    def _of(self, tensor: Any) -> int:
        if self._key(tensor) in self._blank:
            return BLANK
        bits = None if self._key(tensor) in self._unknown else of.bits(tensor)
        return NOT_KNOWN if bits is None else self._hash(*canonical_view(bits))


@contextlib.contextmanager
def recording(recorder: OperationRecorder) -> Iterator[OperationRecorder]:
    """Report every operation of this thread in the block, and of its backward passes, to
    ``recorder``.
    """
    from torch.utils._python_dispatch import TorchDispatchMode

    class Mode(TorchDispatchMode):
        supports_higher_order_operators = True

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            return recorder.execute(func, args, kwargs or {})

    recorder.begin()
    with Mode():
        yield recorder


@contextlib.contextmanager
def naming_layers(recorder: OperationRecorder) -> Iterator[None]:
    with of_keras(recorder):
        yield


@contextlib.contextmanager
def eagerly() -> Iterator[None]:
    """Does nothing: code that is not compiled is eager."""
    yield


class State(BaseState):
    @classmethod
    def chosen(cls, variables: List[Any], found: List[Any]) -> List[Any]:
        """Add the parameters and buffers of modules that are not Keras'."""
        mine = [one._value for one in variables]
        mine += [
            one
            for module in found
            if hasattr(module, "_parameters")
            for own in (module._parameters, module._buffers)
            for one in own.values()
            if one is not None
        ]
        return [one for one in {id(one): one for one in mine}.values() if of.is_real(one)]

    @staticmethod
    def kinds() -> Tuple[type, ...]:
        import torch

        return torch.nn.Module, torch.optim.Optimizer

    @staticmethod
    def read(variable: Any) -> Any:
        """Return its value and its gradient, because a step may add to that."""
        return _Kept(
            variable.detach().clone(),
            None if variable.grad is None else variable.grad.detach().clone(),
        )

    @staticmethod
    def write(variable: Any, value: Any) -> None:
        variable.detach().copy_(value.value)
        variable.grad = None if value.gradient is None else value.gradient.clone()

    @staticmethod
    def nothing(value: Any) -> Any:
        return _Kept(value.value * 0, None)

    @staticmethod
    def generators(found: List[Any]) -> List[Way]:
        """Return the default generators (only the script knows a generator of its own), and Torch's
        optimizers.
        """
        import torch

        cards = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
        own = [torch.default_generator, *(torch.cuda.default_generators[card] for card in cards)]
        ways: List[Way] = [(one.get_state, one.set_state) for one in own]
        for one in found:
            if isinstance(one, torch.optim.Optimizer):
                ways.append(
                    (
                        (lambda one=one: copy.deepcopy(one.state_dict())),
                        (lambda state, one=one: one.load_state_dict(copy.deepcopy(state))),
                    )
                )
        return ways


class _Kept(NamedTuple):
    value: Any
    gradient: Any


def ends(variables: List[Any], returned: Any, whole: bool = False) -> List[Any]:
    returned = list(returned.values()) if isinstance(returned, dict) else returned
    return [of.bits(one) for one in variables if whole or one.requires_grad] + [
        of.bits(one) for one in of.tensors(returned) if whole and of.is_real(one)
    ]


def stepping(pinpoint: Any, model: Any, given: Any) -> Any:
    """Return ``model``'s train function ``given``, which replays the requested step, each time on a
    copy of its batch.
    """
    import keras
    import numpy
    import torch

    def copied_one(one: Any) -> Any:
        return (
            one.clone()
            if isinstance(one, torch.Tensor)
            else one.copy()
            if isinstance(one, numpy.ndarray)
            else one
        )

    def copied(data: Any) -> Any:
        return keras.tree.map_structure(copied_one, data)

    def train_function(data: Any) -> Any:
        if not pinpoint.take():
            return given(data)
        try:
            kept = copied(data)
        except Exception as error:
            pinpoint.fail(error)
            return given(data)
        returned = pinpoint.tried(given, data)
        compiled = (lambda: given(copied(kept))) if model.jit_compile else None
        pinpoint.replay("fit", lambda: model.train_step(copied(kept)[0]), compiled, returned)
        return returned

    return train_function

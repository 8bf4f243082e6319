"""Observing the steps of PyTorch: every optimizer of ``torch.optim`` calls two global hooks around
its ``step``, whoever wrote the loop (Lightning, Hugging Face's Trainer and Accelerate on one
process among them). A step that a ``GradScaler`` skips is none.

Nothing is added to what is computed. Parameters are named as ``named_parameters`` of the outermost
module names them. The batch are the tensors that the outermost module gets, unless the script uses
``torch.compile``: then modules are left alone, because what they call is compiled.
"""

import importlib
import threading
import weakref
from typing import Any, Dict, List, Tuple

from detaudit_probes import backends
from detaudit_probes.hooks.keras.jax_or_torch import Leaf, Stated
from detaudit_probes.hooks.names import STAMP
from detaudit_probes.recording import on_device

MOST_ELEMENTS = 1024  # of a tensor on which ``backward`` is called: a loss is small


def record(session: Any, recorder: Any) -> None:
    """Called when Torch has been imported."""
    import torch

    hooks = _Hooks(session, recorder)
    session.wrap(torch.nn.Module, "named_parameters", hooks.naming)
    session.wrap(torch.optim.Optimizer, "__init__", hooks.making)
    for owner in (torch, torch.nn.Module):
        session.wrap(owner, "compile", hooks.compiling)
    if not recorder.counting:
        return
    optimizer = importlib.import_module("torch.optim.optimizer")
    if not hasattr(optimizer, "register_optimizer_step_post_hook"):  # before Torch 2.0
        return
    optimizer.register_optimizer_step_pre_hook(hooks.before)
    optimizer.register_optimizer_step_post_hook(hooks.after)
    if recorder.recorded:
        session.wrap(torch.Tensor, "backward", hooks.losing)
        session.wrap(torch.utils.data.dataloader._BaseDataLoaderIter, "__next__", hooks.loading)


class _Hooks:
    """The hooks, and the reader of what they observe: ``adapter`` is its name."""

    adapter = "torch"

    def __init__(self, session: Any, recorder: Any) -> None:
        self.session, self.recorder = session, recorder
        self._backend = backends.get(self.adapter)
        self._names: Dict[int, Tuple[Any, str]] = {}  # by id: a weak reference to the parameter
        self._known: Dict[int, Leaf] = {}  # the parameters of optimizers
        self._losses: List[Any] = []
        self._stepping = 0  # optimizers inside of optimizers
        self._here = threading.local()  # how deep this thread is inside of modules
        # Whether the calls of modules are left alone from now on
        self._keeps_out = not recorder.recorded
        self._call: Any = None  # of a module, without the hook

    # Reading ----------------------------------------------------------------------------------

    def read(self, variable: Any) -> Any:
        return self._backend.read(variable)

    def first(self, variable: Any) -> Any:
        return on_device.of_variable(self._backend, variable, self.read)

    def read_each(self, variables: List[Any]) -> List[Any]:
        return on_device.of_variables(self._backend, variables, self.read)

    # Parameters -------------------------------------------------------------------------------

    def naming(self, original: Any) -> Any:
        def named_parameters(module: Any, *arguments: Any, **named: Any) -> Any:
            for name, parameter in original(module, *arguments, **named):
                self._names.setdefault(id(parameter), (weakref.ref(parameter), name))
                yield name, parameter

        return named_parameters

    def making(self, original: Any) -> Any:
        def __init__(optimizer: Any, *arguments: Any, **named: Any) -> None:
            original(optimizer, *arguments, **named)
            self._know(optimizer)
            if not self._keeps_out and self._call is None:
                self._follow_modules()

        return __init__

    def _know(self, optimizer: Any) -> List[Leaf]:
        """Return the optimizer's parameters; note those that are new."""
        found = []
        for group, one in enumerate(optimizer.param_groups):
            for place, parameter in enumerate(one["params"]):
                leaf = self._known.get(id(parameter))
                if leaf is None or leaf.value is not parameter:
                    leaf = Leaf(self._name(parameter, group, place), parameter)
                    self._known[id(parameter)] = leaf
                    ready = not hasattr(parameter, "materialize")  # of a lazy module
                    if ready:
                        self.recorder.made("init", leaf.path, leaf, self, True)
                found.append(leaf)
        return found

    def _name(self, parameter: Any, group: int, place: int) -> str:
        reference, name = self._names.get(id(parameter), (lambda: None, ""))
        if reference() is not parameter:
            name = "group %d, parameter %d" % (group, place)
        taken = {leaf.path for leaf in self._known.values()}
        name, unique, number = STAMP.sub("#", name), name, 1
        while unique in taken:
            number += 1
            unique = "%s (%d)" % (name, number)
        return unique

    # Steps ------------------------------------------------------------------------------------

    def losing(self, original: Any) -> Any:
        def backward(tensor: Any, *arguments: Any, **named: Any) -> Any:
            if self.recorder.recording and tensor.numel() <= MOST_ELEMENTS:
                self._losses.append(self.recorder.trace.take(self.read(tensor)))
            return original(tensor, *arguments, **named)

        return backward

    def before(self, optimizer: Any, arguments: Any, named: Any) -> None:
        self._stepping += 1

    def after(self, optimizer: Any, arguments: Any, named: Any) -> None:
        self._stepping -= 1
        recorder = self.recorder
        if self._stepping or not recorder.counting or recorder.inside_fit:
            return
        weights = self._know(optimizer)
        returned: List[Tuple[str, str, Any]] = []
        state: List[Leaf] = []
        if recorder.recording:
            losses, self._losses = self._losses, []
            for place, taken in enumerate(losses):
                returned.append(("loss", "loss" if len(losses) == 1 else "loss %d" % place, taken))
            with_gradients = [one for one in weights if one.value.grad is not None]
            gradients = self.read_each([one.value.grad for one in with_gradients])
            returned += [
                ("gradient", one.path, value) for one, value in zip(with_gradients, gradients)
            ]
            state = [
                Leaf("%s/%s" % (one.path, name), value)
                for one in weights
                for name, value in optimizer.state.get(one.value, {}).items()
                if hasattr(value, "detach")
            ]
        if recorder.pinpoint is not None and recorder.steps == recorder.pinpoint.step:
            recorder.pinpoint.end_live()
        recorder.step("loop", recorder.steps, None, returned, weights, [Stated(state)], self)

    # Batches ----------------------------------------------------------------------------------

    def loading(self, original: Any) -> Any:
        def __next__(batches: Any) -> Any:
            batch = original(batches)
            if self.recorder.recording and not self.recorder.inside_fit:
                self.recorder.loaded(self._read_in("batch", batch))
            return batch

        return __next__

    def compiling(self, original: Any) -> Any:
        def compile(*arguments: Any, **named: Any) -> Any:
            import torch

            self._keeps_out = True
            if self._call is not None:
                torch.nn.Module.__call__ = self._call
            return original(*arguments, **named)

        return compile

    def _follow_modules(self) -> None:
        import torch

        self._call = torch.nn.Module.__call__

        def calling(original: Any) -> Any:
            def __call__(module: Any, *arguments: Any, **named: Any) -> Any:
                if getattr(self._here, "inside", False):
                    return original(module, *arguments, **named)
                self._enter(arguments, named)
                self._here.inside = True
                try:
                    return original(module, *arguments, **named)
                finally:
                    self._here.inside = False

            return __call__

        self.session.wrap(torch.nn.Module, "__call__", calling)

    def _enter(self, arguments: Any, named: Any) -> None:
        """Note the inputs of a module that no other module calls: they are the step's batch."""
        import torch

        recorder = self.recorder
        if not recorder.recording or recorder.inside_fit or not torch.is_grad_enabled():
            return
        if recorder.pinpoint is not None and self.session.orders.eager:
            recorder.pinpoint.begin_live()
        recorder.arguments(self._read_in("batch", (arguments, named)))

    def _read_in(self, name: str, structure: Any) -> List[Tuple[str, Any]]:
        return [
            (path, self.read(tensor))
            for path, tensor in _tensors(name, structure)
            if not tensor.requires_grad
        ]


def _tensors(name: str, structure: Any) -> List[Tuple[str, Any]]:
    """Return the tensors of nested tuples, lists and dictionaries, each with a name."""
    import torch

    if isinstance(structure, torch.Tensor):
        return [(name, structure)]
    if isinstance(structure, dict):
        items = [(str(key), value) for key, value in structure.items()]
    elif isinstance(structure, (tuple, list)):
        items = [(str(place), value) for place, value in enumerate(structure)]
    else:
        return []
    return [found for key, value in items for found in _tensors("%s.%s" % (name, key), value)]

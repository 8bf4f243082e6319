"""Observing the steps of PyTorch: every optimizer of ``torch.optim`` calls two global hooks around
its ``step``, whoever wrote the loop (Lightning, Hugging Face's Trainer and Accelerate on one
process among them). A step that a ``GradScaler`` skips is not counted.

Nothing is added to what is computed, and an error of these hooks is none of the script's.
Parameters are named as by the first call of ``named_parameters`` that returns them. The batch is
what the script's own calls of modules get, unless it uses ``torch.compile``: then modules are left
alone, because what they call is compiled.
"""

import importlib
import threading
import weakref
from typing import Any, Dict, List, Tuple

from detaudit_probes import backends
from detaudit_probes.hooks.keras.jax_compiled import ByIdentity
from detaudit_probes.hooks.keras.jax_or_torch import Leaf, Stated
from detaudit_probes.recording import on_device

MOST_ELEMENTS = 1024  # of a tensor on which ``backward`` is called: a loss is small


def record(session: Any, recorder: Any) -> None:
    """Called when Torch has been imported."""
    import torch

    hooks = _Hooks(session, recorder)
    session.wrap(torch.nn.Module, "named_parameters", hooks.wrap_named_parameters)
    session.wrap(torch.optim.Optimizer, "__init__", hooks.wrap_init)
    for owner in (torch, torch.nn.Module):
        session.wrap(owner, "compile", hooks.wrap_compile)
    if not recorder.counting:
        return
    optimizer = importlib.import_module("torch.optim.optimizer")
    if not hasattr(optimizer, "register_optimizer_step_post_hook"):  # before Torch 2.0
        return
    optimizer.register_optimizer_step_post_hook(hooks.after_step)
    if recorder.recorded:
        loader = importlib.import_module("torch.utils.data.dataloader")
        session.wrap(torch.Tensor, "backward", hooks.wrap_backward)
        session.wrap(loader._BaseDataLoaderIter, "__next__", hooks.wrap_next)


class _Hooks:
    """The hooks, and the reader of what they observe: ``adapter`` is its name."""

    adapter = "torch"

    def __init__(self, session: Any, recorder: Any) -> None:
        self.session, self.recorder = session, recorder
        self._backend = backends.get(self.adapter)
        self._names: Dict[int, Tuple[Any, str]] = {}  # by id: a weak reference to the parameter
        self._paths = ByIdentity()  # the names of the parameters of optimizers in the trace
        self._taken: Dict[str, int] = {}  # how often each name was used
        self._losses: List[Any] = []
        self._inside = False  # whether the main thread is inside of a module
        self._ignores_modules = not recorder.recorded
        self._call: Any = None  # of a module, without the hook

    # Reading ----------------------------------------------------------------------------------

    def read(self, variable: Any) -> Any:
        """Return the bits of a tensor; nothing of one that has none that can be read."""
        import numpy

        return numpy.array(self.view(variable))

    def view(self, variable: Any) -> Any:
        """Like :meth:`read`, for what is fingerprinted before the next step."""
        import numpy
        import torch

        try:
            value = self._backend.tensor(variable)
            if value.layout != torch.strided:
                value = value.detach().to_dense()
            return self._backend.view(value)
        except Exception:  # Torch's, for a tensor without memory, or of a kind that NumPy lacks
            return numpy.zeros(0)

    def first(self, variable: Any) -> Any:
        return self.read_each([variable])[0]

    def read_each(self, variables: List[Any]) -> List[Any]:
        try:
            return on_device.of_variables(self._backend, variables, self.view)
        except Exception:
            return [self.view(variable) for variable in variables]

    # Parameters -------------------------------------------------------------------------------

    def wrap_named_parameters(self, original: Any) -> Any:
        def named_parameters(module: Any, *arguments: Any, **named: Any) -> Any:
            for name, parameter in original(module, *arguments, **named):
                if not _compiling():
                    known = self._names.get(id(parameter))
                    if known is None or known[0]() is not parameter:
                        self._names[id(parameter)] = weakref.ref(parameter), name
                yield name, parameter

        return named_parameters

    def wrap_init(self, original: Any) -> Any:
        def __init__(optimizer: Any, *arguments: Any, **named: Any) -> None:
            original(optimizer, *arguments, **named)
            self._parameters(optimizer)
            if not self._ignores_modules and self._call is None:
                self._follow_modules()

        return __init__

    def _parameters(self, optimizer: Any) -> List[Leaf]:
        """Return the optimizer's parameters, by their names; record those that are new."""
        found = []
        for group, one in enumerate(optimizer.param_groups):
            for place, parameter in enumerate(one["params"]):
                path = self._paths.get(parameter)
                if path is None:
                    path = self._unique(self._name(parameter, group, place))
                    self._paths.put(parameter, path)
                    if not hasattr(parameter, "materialize"):  # of a lazy module
                        self.recorder.made("init", path, Leaf(path, parameter), self, True)
                found.append(Leaf(path, parameter))
        return found

    def _name(self, parameter: Any, group: int, place: int) -> str:
        reference, name = self._names.get(id(parameter), (lambda: None, ""))
        return name if reference() is parameter else "group %d, parameter %d" % (group, place)

    def _unique(self, name: str) -> str:
        number = self._taken[name] = self._taken.get(name, 0) + 1
        return name if number == 1 else "%s (%d)" % (name, number)

    # Steps ------------------------------------------------------------------------------------

    def wrap_backward(self, original: Any) -> Any:
        def backward(tensor: Any, *arguments: Any, **named: Any) -> Any:
            if not _compiling() and self.recorder.recording and tensor.numel() <= MOST_ELEMENTS:
                self._losses.append(self.recorder.trace.take(self.view(tensor)))
            return original(tensor, *arguments, **named)

        return backward

    def after_step(self, optimizer: Any, arguments: Any, named: Any) -> None:
        recorder = self.recorder
        if _compiling() or _capturing() or not recorder.counting or recorder.inside_fit:
            return
        weights = self._parameters(optimizer)
        returned: List[Tuple[str, str, Any]] = []
        state: List[Leaf] = []
        if recorder.recording:
            losses, self._losses = self._losses, []
            for place, taken in enumerate(losses):
                returned.append(("loss", "loss" if len(losses) == 1 else "loss %d" % place, taken))
            with_gradients = [one for one in weights if one.value.grad is not None]
            # At once, because a value that is not taken is copied to be fingerprinted
            gradients = recorder.trace.take_each(
                self.read_each([one.value.grad for one in with_gradients])
            )
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

    def wrap_next(self, original: Any) -> Any:
        def __next__(batches: Any) -> Any:
            batch = original(batches)
            if self.recorder.recording and not self.recorder.inside_fit:
                self.recorder.loaded(self._read_in("batch", batch))
            return batch

        return __next__

    def wrap_compile(self, original: Any) -> Any:
        def compile(*arguments: Any, **named: Any) -> Any:
            import torch

            self._ignores_modules = True
            if self._call is not None:
                torch.nn.Module.__call__ = self._call
            return original(*arguments, **named)

        return compile

    def _follow_modules(self) -> None:
        import torch

        self._call = torch.nn.Module.__call__

        def wrap_call(original: Any) -> Any:
            def __call__(module: Any, *arguments: Any, **named: Any) -> Any:
                # Replicas of a module run in other threads
                if self._inside or threading.current_thread() is not threading.main_thread():
                    return original(module, *arguments, **named)
                self._note_batch(arguments, named)
                self._inside = True
                try:
                    return original(module, *arguments, **named)
                finally:
                    self._inside = False

            return __call__

        self.session.wrap(torch.nn.Module, "__call__", wrap_call)

    def _note_batch(self, arguments: Any, named: Any) -> None:
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


def _compiling() -> bool:
    """Whether Torch is compiling what calls this: then nothing happens here."""
    import torch

    compiler = getattr(torch, "compiler", None)
    return bool(hasattr(compiler, "is_compiling") and compiler.is_compiling())


def _capturing() -> bool:
    """Whether a graph of a card is being captured: nothing may be read then."""
    import torch

    return torch.cuda.is_available() and torch.cuda.is_current_stream_capturing()


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

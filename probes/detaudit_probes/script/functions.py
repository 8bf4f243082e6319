"""The functions that TensorFlow compiles for a script (``tf.function``): where one applies an optimizer, its call is a
step. So it is under every Keras on TensorFlow 2."""
import functools
import threading
import weakref
from typing import Any, Dict, List, Tuple

from detaudit_probes.script.values import flat, is_data

Applied = Tuple[Any, List[Any]]  # an optimizer, and the variables that it was given


class Functions:
    """``watching`` has ``states`` of what was applied, which its ``_step`` takes; a step of its can be ``replayed``."""

    def __init__(self, watching: Any, replayed: bool = True) -> None:
        self._watching, self._recorder, self._replayed = watching, watching.recorder, replayed
        self._of_function: Any = weakref.WeakKeyDictionary()
        self._stacks: Dict[int, List[Any]] = {}  # by thread: the functions that it is calling

    @property
    def _tracing(self) -> List[Any]:
        return self._stacks.setdefault(threading.get_ident(), [])

    def _traced(self) -> List[Any]:
        """The functions that may be traced now: this thread's or, in a thread that a strategy of TensorFlow's has
        started for a replica, those of the others."""
        return self._tracing or [one for stack in list(self._stacks.values()) for one in list(stack)]

    def met(self, optimizer: Any, variables: List[Any]) -> None:
        """An optimizer is applied in a graph: that of each function that is being traced."""
        for function in self._traced():
            mine: List[Applied] = self._of_function.setdefault(function, [])
            if not any(one is optimizer and _same(given, variables) for one, given in mine):
                mine.append((optimizer, variables))

    def follow(self) -> None:
        try:
            from tensorflow.python.eager.polymorphic_function.polymorphic_function import Function
        except ImportError:  # before TensorFlow 2.11
            from tensorflow.python.eager.def_function import Function
        from tensorflow.python.eager import context
        from tensorflow.python.framework import ops

        recorder, called = self._recorder, self._called

        def calling(given: Any) -> Any:
            def __call__(self: Any, *arguments: Any, **named: Any) -> Any:  # by the name that TensorFlow gives it
                if not recorder.counting or not context.executing_eagerly():
                    return given(self, *arguments, **named)
                return called(given, self, arguments, named)

            return __call__

        def lifting(given: Any) -> Any:
            def _initialize_uninitialized_variables(function: Any, initializers: Any) -> None:
                given(function, initializers)
                with ops.init_scope():
                    self._recorder.filled()

            return _initialize_uninitialized_variables

        self._watching.session.wrap(Function, "_initialize_uninitialized_variables", lifting)
        if self._recorder.counting:
            self._watching.session.wrap(Function, "__call__", calling)

    def _called(self, given: Any, function: Any, arguments: Any, named: Any) -> Any:
        recorder, outermost = self._recorder, not self._tracing and not self._recorder.inside_fit
        before = recorder.steps
        pinned = recorder.pinpoint if outermost and self._replayed else None
        taken = pinned is not None and pinned.take()
        self._tracing.append(function)
        try:
            result = given(function, *arguments, **named)
        finally:
            self._tracing.pop()
        applied = self._of_function.get(function)
        if taken and pinned is not None:
            if applied:
                again = functools.partial(given, function, *arguments, **named)
                pinned.replay("tf.function", again, again)
            else:
                pinned.drop()
        if applied and outermost and recorder.steps == before:  # executed eagerly, it has told of its step by itself
            if recorder.recording and not recorder.fed:
                recorder.batch(flat("argument", [one for one in (*arguments, *named.values()) if is_data(one)]))
            self._watching._step(self._watching.states(applied), [])
        return result


def follow_iterators(watching: Any) -> None:
    """The batches of a dataset that a script iterates by itself, outside of a graph."""
    from tensorflow.python.data.ops.iterator_ops import OwnedIterator
    from tensorflow.python.eager import context

    recorder = watching.recorder
    if any(one is not watching and hasattr(one, "functions") for one in recorder.following):
        return  # another Keras's watching does so already

    def following(given: Any) -> Any:
        def __next__(iterator: Any) -> Any:
            value = given(iterator)
            if recorder.recording and not recorder.inside_fit and context.executing_eagerly():
                recorder.batch(flat("batch", value))
            return value

        return __next__

    watching.session.wrap(OwnedIterator, "__next__", following)


def distinct(applied: List[Applied]) -> List[Any]:
    """The optimizers, each once."""
    found: List[Any] = []
    for optimizer, _ in applied:
        if not any(one is optimizer for one in found):
            found.append(optimizer)
    return found


def _same(some: List[Any], others: List[Any]) -> bool:
    return len(some) == len(others) and all(one is other for one, other in zip(some, others))

"""The functions that TensorFlow compiles for a script (``tf.function``): if one applies an
optimizer, its call is a step. This is the same for every Keras on TensorFlow 2.

The graphs that a call ran show what it has applied. Each graph was traced for certain models; a
function for many models has one graph for each. Nothing is kept alive that the graphs do not need.
"""

import functools
import importlib
import threading
import weakref
from typing import Any, Dict, Iterator, List

from detaudit_probes.hooks.values import is_data, tensors_in

#: The modules of the class of traced functions, from TensorFlow 2.14 on, from 2.11 on, and before.
CONCRETE = (
    "tensorflow.python.eager.polymorphic_function.concrete_function",
    "tensorflow.python.eager.polymorphic_function.monomorphic_function",
    "tensorflow.python.eager.function",
)


class State:
    """An optimizer's state and what it updates, with the names of Keras 3."""

    def __init__(self, variables: List[Any], trainable: List[Any]) -> None:
        self.variables, self._trainable_variables = variables, trainable


class _Applied:
    """An optimizer, as applied by a graph. The graph needs its variables, not the
    optimizer itself.
    """

    def __init__(self, optimizer: Any, weights: List[Any], variables: List[Any]) -> None:
        self.optimizer = weakref.ref(optimizer)
        self._weights, self._variables = [
            list(map(weakref.ref, some)) for some in (weights, variables)
        ]

    def state(self) -> State:
        variables, weights = [
            [one for one in (reference() for reference in some) if one is not None]
            for some in (self._variables, self._weights)
        ]
        return State(variables, weights)

    def is_of(self, optimizer: Any, weights: List[Any]) -> bool:
        mine = self.state()._trainable_variables
        return (
            self.optimizer() is optimizer
            and len(mine) == len(weights)
            and all(one is other for one, other in zip(mine, weights))
        )


class _Here(threading.local):
    """Per thread: whether it is in a function's call, and what it has run there."""

    def __init__(self) -> None:
        self.calling = False
        self.ran: List[Any] = []


class Functions:
    """``hooks`` has a ``_step`` that takes optimizers."""

    def __init__(self, hooks: Any) -> None:
        self._hooks, self._recorder = hooks, hooks.recorder
        self._of_graph: Any = weakref.WeakKeyDictionary()  # what each graph applies, by id
        self._here = _Here()

    def met(self, optimizer: Any, weights: List[Any], variables: List[Any]) -> None:
        """Note that an optimizer is applied in the graph that is being traced, and so in those
        around it.
        """
        graphs = list(around())
        known = self._in(graphs[0]).values() if graphs else []
        applied = next((one for one in known if one.is_of(optimizer, weights)), None)
        applied = applied or _Applied(optimizer, weights, variables)
        for graph in graphs:
            self._in(graph)[id(applied)] = applied

    def _in(self, graph: Any) -> Dict[int, _Applied]:
        found: Dict[int, _Applied] = self._of_graph.setdefault(graph, {})
        return found

    def follow(self) -> None:
        try:
            from tensorflow.python.eager.polymorphic_function.polymorphic_function import Function
        except ImportError:  # before TensorFlow 2.11
            from tensorflow.python.eager.def_function import Function
        from tensorflow.python.framework import ops

        def lifting(original: Any) -> Any:
            def _initialize_uninitialized_variables(function: Any, initializers: Any) -> None:
                original(function, initializers)
                with ops.init_scope():
                    self._recorder.filled()

            return _initialize_uninitialized_variables

        self._hooks.session.wrap(Function, "_initialize_uninitialized_variables", lifting)
        if self._recorder.counting:
            self._hooks.session.wrap(Function, "__call__", self._calling)
            self._hooks.session.wrap(_concrete(), "_call_flat", self._running)

    def _calling(self, original: Any) -> Any:
        """Wrap the call of a function, which may be traced during the call."""
        from tensorflow.python.eager import context

        recorder, here = self._recorder, self._here

        def __call__(self: Any, *arguments: Any, **named: Any) -> Any:
            # ``self`` is named as TensorFlow names it.
            if (
                not recorder.counting
                or recorder.inside_fit
                or here.calling
                or not context.executing_eagerly()
            ):
                return original(self, *arguments, **named)
            return called(
                functools.partial(original, self, *arguments, **named),
                (*arguments, *named.values()),
            )

        called = self._called
        return __call__

    def _running(self, original: Any) -> Any:
        """Wrap the traced function, which a function's call uses and a script may call itself."""
        from tensorflow.python.eager import context

        def _call_flat(concrete: Any, tensors: Any, *others: Any, **named: Any) -> Any:
            run = functools.partial(original, concrete, tensors, *others, **named)
            if not context.executing_eagerly():
                for graph in around() if self._of_graph.get(concrete.graph) else ():
                    self._in(graph).update(self._in(concrete.graph))
                return run()
            if self._here.calling:
                self._here.ran.append(concrete.graph)
                return run()
            if not self._recorder.counting or not self._of_graph.get(concrete.graph):
                return run()
            if self._recorder.inside_fit:
                for optimizer in [one.optimizer() for one in self._in(concrete.graph).values()]:
                    if optimizer is not None:
                        self._hooks._met(optimizer)
                return run()
            pinned = self._recorder.pinpoint if self._hooks.replays else None
            if pinned is not None and pinned.take():
                pinned.fail(
                    "operations of a function that was traced earlier (get_concrete_function) are not observed",
                    "tf.function",
                )
            before = self._recorder.threads.steps
            result = run()
            self._done([concrete.graph], tensors, before)
            return result

        return _call_flat

    def _called(self, again: Any, arguments: Any) -> Any:
        """The outermost call of a function in this thread."""
        recorder, here = self._recorder, self._here
        before = recorder.threads.steps
        pinned = recorder.pinpoint if self._hooks.replays else None
        taken = pinned is not None and pinned.take()
        here.calling = True
        try:
            result = pinned.tried(again) if taken else again()
        finally:
            here.calling, here.ran, ran = False, [], here.ran  # no graph is kept alive
        if taken and self._applied(ran):
            pinned.replay("tf.function", again, again)
        elif taken:
            pinned.drop()
        self._done(ran, arguments, before)
        return result

    def _applied(self, ran: List[Any]) -> List[State]:
        """Return the optimizers that these graphs apply, each variable once."""
        states = [
            one.state()
            for one in {
                key: one for graph in ran for key, one in self._of_graph.get(graph, {}).items()
            }.values()
        ]
        seen: Dict[int, Any] = {}
        for state in states:
            state.variables = [
                one for one in state.variables if seen.setdefault(id(one), state) is state
            ]
        return states

    def _done(self, ran: List[Any], arguments: Any, before: int) -> None:
        """Record that a script has run these graphs. Code that was executed eagerly has recorded
        its own steps.
        """
        recorder, applied = self._recorder, self._applied(ran)
        if applied and recorder.threads.steps == before:
            if recorder.recording:
                recorder.arguments(
                    tensors_in("argument", [one for one in arguments if is_data(one)])
                )
            self._hooks._step(applied, [])


def _concrete() -> Any:
    for name in CONCRETE:
        try:
            return importlib.import_module(name).ConcreteFunction
        except (ImportError, AttributeError):
            continue
    return None


def around() -> Iterator[Any]:
    """Return the graph that is being built and the graphs around it: a function's around that of
    its loop.
    """
    from tensorflow.python.framework import ops

    graph = ops.get_default_graph()
    while hasattr(graph, "outer_graph"):  # not the outermost graph
        yield graph
        graph = graph.outer_graph


def follow_iterators(hooks: Any) -> None:
    """Observe the batches of a dataset that a script iterates itself, outside of a graph."""
    from tensorflow.python.data.ops.iterator_ops import OwnedIterator
    from tensorflow.python.eager import context

    recorder = hooks.recorder
    if any(one is not hooks and hasattr(one, "functions") for one in recorder.following):
        return  # the observer of another Keras does this already

    def following(original: Any) -> Any:
        def __next__(iterator: Any) -> Any:
            value = original(iterator)
            if recorder.recording and not recorder.inside_fit and context.executing_eagerly():
                recorder.loaded(tensors_in("batch", value))
            return value

        return __next__

    hooks.session.wrap(OwnedIterator, "__next__", following)


def follow_inputs(hooks: Any, layer: Any) -> None:
    """Observe the inputs of layers while a tape records: they go into a step of the script's own.
    ``layer`` is the base class of all layers.
    """
    from tensorflow.python.eager import context

    recorder, here = hooks.recorder, _Here()

    def entering(original: Any) -> Any:
        def __call__(self: Any, *arguments: Any, **named: Any) -> Any:
            # ``self`` is named as Keras names it.
            outermost = recorder.recording and not recorder.inside_fit and not here.calling
            if not outermost or not context.executing_eagerly() or not _tape_records():
                return original(self, *arguments, **named)
            given_in = tensors_in(
                "input", [one for one in (*arguments, *named.values()) if is_data(one)]
            )
            recorder.went_in([value for _, value in given_in if hasattr(value, "tobytes")])
            here.calling = True
            try:
                return original(self, *arguments, **named)
            finally:
                here.calling = False

        return __call__

    hooks.session.wrap(layer, "__call__", entering)


def _tape_records() -> bool:
    """Whether a ``GradientTape`` is open in this thread."""
    try:
        from tensorflow.python.eager import record
    except ImportError:  # before TensorFlow 2.12
        from tensorflow.python.eager import tape as record
    return bool(record.could_possibly_record())


def is_replica() -> bool:
    """Whether this thread trains for another, which waits for it: a thread started by a strategy of
    TensorFlow's.
    """
    import tensorflow as tf

    return bool(tf.distribute.has_strategy())


def is_first_replica() -> bool:
    """Whether this is not a replica of a strategy of TensorFlow's, or the first one: all replicas
    make one step.
    """
    import tensorflow as tf

    context = tf.distribute.get_replica_context() if tf.distribute.has_strategy() else None
    return context is None or int(context.replica_id_in_sync_group) == 0

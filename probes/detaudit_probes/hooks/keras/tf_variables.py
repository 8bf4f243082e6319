"""Observing the steps of plain TensorFlow: variables that a script updates itself
(``variable.assign_sub(...)``), without an optimizer of Keras, after it has taken their gradient.

A step is an update of variables by which a gradient was taken: the script trains these. In eager
code it ends at the next gradient, or with the program; if the gradient comes from a
``tf.function``, when one of the variables is updated again. In a ``tf.function``, it ends when the
outermost call returns. What else a script assigns is not recorded: it may be a counter or a clock.
"""

import sys
import weakref
from collections import deque
from typing import Any, Deque, Dict, List, Tuple

from detaudit_probes.hooks.keras.tf_function import Functions, State, around
from detaudit_probes.hooks.names import path_of
from detaudit_probes.hooks.values import gradients

ASSIGNING = (
    "assign",
    "assign_add",
    "assign_sub",
    "batch_scatter_update",
    "scatter_add",
    "scatter_div",
    "scatter_max",
    "scatter_min",
    "scatter_mul",
    "scatter_nd_add",
    "scatter_nd_sub",
    "scatter_nd_update",
    "scatter_sub",
    "scatter_update",
)
#: The packages whose optimizers have an observer of their own.
OF_KERAS = ("keras", "tf_keras")
OF_BACKENDS = "keras.src.backend"  # the modules of its variables
MOST_GRADIENTS = 4  # calls of ``gradient`` that one step may use


class Updated:
    """A variable that a script updates, with a name that no other has."""

    def __init__(self, path: str, variable: Any) -> None:
        self.path, self._value, self.shape = path, variable, variable.shape


class Updates:
    """``hooks`` is the observer of Keras, which reads variables, and ``functions`` counts the calls
    of functions. For these, this object is the optimizer that they apply.
    """

    variables: Tuple[Any, ...] = ()

    def __init__(self, hooks: Any, functions: Functions) -> None:
        self._hooks, self._recorder, self._functions = hooks, hooks.recorder, functions
        self._known: Dict[int, Updated] = {}  # by the variable's id; they keep it alive
        self._taken: Dict[str, int] = {}  # how often each name was used
        # By id: the sources of gradients in eager code, those in graphs (these stay), and what was
        # updated since
        self._sources: Dict[int, Any] = {}
        self._in_graphs: Dict[int, Any] = {}
        self._weights: Dict[int, Updated] = {}
        self._gradients: Deque[Tuple[Any, Any]] = deque(maxlen=MOST_GRADIENTS)
        # The ids of the sources of gradients that each graph takes
        self._of_graph: Any = weakref.WeakKeyDictionary()

    def follow(self) -> None:
        """Observe gradients and updates, unless the observer of another Keras does already."""
        following = self._recorder.following
        if any(one is not self._hooks and hasattr(one, "updates") for one in following):
            return
        from tensorflow.python.eager.backprop import GradientTape
        from tensorflow.python.ops import resource_variable_ops

        self._hooks.session.wrap(GradientTape, "gradient", self._wrap_gradient)
        # TensorFlow copies some methods into the class of a variable that exists at once
        for kind in ("BaseResourceVariable", "ResourceVariable"):
            owner = getattr(resource_variable_ops, kind)
            for name in ASSIGNING:
                if name in vars(owner):
                    self._hooks.session.wrap(owner, name, self._wrap_assign)
        self._recorder.before_the_end.append(self.end_step)

    def applied(self) -> None:
        """An optimizer with an observer of its own has used the gradient."""
        self._sources.clear()
        self._gradients.clear()
        for graph in around():
            self._of_graph.pop(graph, None)

    def _follows(self) -> bool:
        return bool(self._recorder.follows_here and not self._recorder.inside_fit)

    def _wrap_gradient(self, original: Any) -> Any:
        from tensorflow.python.eager import context

        def gradient(tape: Any, target: Any, sources: Any, *arguments: Any, **named: Any) -> Any:
            result = original(tape, target, sources, *arguments, **named)
            if self._follows():
                import tensorflow as tf

                updatable = [self._unwrapped(one) for one in tf.nest.flatten(sources)]
                updatable = [one for one in updatable if hasattr(one, "assign")]
                if context.executing_eagerly():
                    self._begin_step(target, updatable, result)
                else:
                    self._in_graphs.update((id(one), one) for one in updatable)
                    for graph in around():
                        self._of_graph.setdefault(graph, set()).update(map(id, updatable))
            return result

        return gradient

    def _unwrapped(self, source: Any) -> Any:
        """Return TensorFlow's variable; one of Keras keeps its name, and is recorded by its
        observer.
        """
        value = getattr(source, "_value", None)
        if value is None or not hasattr(value, "assign"):
            return source
        if id(value) not in self._known:
            self._known[id(value)] = Updated(path_of(source), value)
        return value

    def _begin_step(self, target: Any, sources: List[Any], result: Any) -> None:
        self.end_step()
        self._sources.update((id(one), one) for one in sources)
        pinpoint = self._recorder.pinpoint
        if pinpoint is not None:
            pinpoint.begin_update()
        if self._recorder.recording and sources:
            self._gradients.append((target, result))
            self._recorder.use_last_loaded()

    def _wrap_assign(self, original: Any) -> Any:
        from tensorflow.python.eager import context

        def assign(variable: Any, *arguments: Any, **named: Any) -> Any:
            eager = context.executing_eagerly()
            # Most assignments are of neither kind: the callers are asked last
            sources = self._sources or self._in_graphs if eager else self._of_graph
            may_count = sources and self._follows()
            if may_count and not _is_of_keras():
                self._note(variable, eager)
            return original(variable, *arguments, **named)

        return assign

    def _note(self, variable: Any, eager: bool) -> None:
        """Note that a variable is going to be updated, now or whenever this graph runs."""
        if eager and id(variable) in self._sources:
            self._weights[id(variable)] = self._weight(variable)
        elif eager and id(variable) in self._in_graphs:
            if id(variable) in self._weights:
                self.end_step()
            self._weights[id(variable)] = self._weight(variable)
        elif not eager and any(id(variable) in self._of_graph.get(graph, ()) for graph in around()):
            self._functions.met(self, [self._weight(variable)], [])

    def _weight(self, variable: Any) -> Updated:
        """Return a variable that is trained with its name; record its value if it is new."""
        from tensorflow.python.framework import ops

        weight = self._known.get(id(variable))
        if weight is None:
            name = variable.name.partition(":")[0]
            number = self._taken[name] = self._taken.get(name, 0) + 1
            weight = Updated(name if number == 1 else "%s (%d)" % (name, number), variable)
            self._known[id(variable)] = weight
            with ops.init_scope():
                readable = bool(variable.is_initialized())
                self._recorder.made("init", weight.path, weight, self._hooks, readable)
        return weight

    @property
    def pending(self) -> bool:
        """Whether a step of eager code has made updates, and is recorded at the next gradient."""
        return bool(self._weights)

    def end_step(self) -> None:
        """Record the step of eager code that has ended, if there is one."""
        if not self._weights:
            return
        weights, taken = list(self._weights.values()), list(self._gradients)
        self._weights.clear()
        self._sources.clear()
        self._gradients.clear()
        recorder = self._recorder
        if not recorder.counting:
            return
        pinpoint = recorder.pinpoint
        if pinpoint is not None and recorder.steps == pinpoint.step and not pinpoint.is_live:
            pinpoint.fail(
                "the gradient comes from a tf.function and eager code applies it, so the step's "
                "operations cannot be observed"
            )
        self._hooks.step(_rows(taken), weights, [State([], weights)])


def _rows(taken: List[Tuple[Any, Any]]) -> List[Tuple[str, str, Any]]:
    """Return the losses and the gradients of a step."""
    import tensorflow as tf

    found: List[Tuple[str, str, Any]] = []
    for number, (target, result) in enumerate(taken, 1):
        rows = [("loss", "loss", target.numpy())] if getattr(target, "shape", None) == () else []
        rows += gradients(tf.nest.flatten(result))
        suffix = "" if number == 1 else " (%d)" % number
        found += [(stage, name + suffix, value) for stage, name, value in rows]
    return found


def _is_of_keras() -> bool:
    """Whether Keras assigns: the innermost caller that is neither TensorFlow's nor detaudit's, nor
    a variable's own method.
    """
    frame: Any = sys._getframe(2)
    while frame is not None:
        module = str(frame.f_globals.get("__name__"))
        package = module.partition(".")[0]
        if package not in ("tensorflow", "detaudit_probes") and not module.startswith(OF_BACKENDS):
            return package in OF_KERAS
        frame = frame.f_back
    return False

"""Observing the steps of plain TensorFlow: variables that a script updates itself
(``variable.assign_sub(...)``), without an optimizer of Keras, after it has taken a gradient.

A gradient is what makes it a training: a variable that is only assigned is a counter, or loaded
weights. In eager code a step ends when one of its variables is updated again, or the program ends;
in a ``tf.function``, when its outermost call returns.
"""

import sys
import threading
import weakref
from typing import Any, Dict, List, Tuple

from detaudit_probes.hooks.keras.tf_function import Functions, State, around
from detaudit_probes.hooks.values import gradients

ASSIGNING = (
    "assign",
    "assign_add",
    "assign_sub",
    "scatter_add",
    "scatter_sub",
    "scatter_update",
    "scatter_nd_add",
    "scatter_nd_sub",
    "scatter_nd_update",
)
#: The packages whose optimizers have an observer of their own.
OF_KERAS = ("keras", "tf_keras")


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
        self._in_step: Dict[int, Updated] = {}  # updated since the last gradient, in eager code
        self._has_gradient = False
        self._returned: List[Tuple[str, str, Any]] = []  # loss and gradients of the step
        self._graphs: Any = weakref.WeakSet()  # those in which a gradient is taken

    def follow(self) -> None:
        from tensorflow.python.eager.backprop import GradientTape
        from tensorflow.python.ops.resource_variable_ops import ResourceVariable

        self._hooks.session.wrap(GradientTape, "gradient", self._wrap_gradient)
        for name in ASSIGNING:  # some of them inherited, but not those that TensorFlow copies
            self._hooks.session.wrap(ResourceVariable, name, self._wrap_assign)
        self._recorder.before_the_end.append(self._end_step)

    def applied(self) -> None:
        """An optimizer with an observer of its own has used the gradient."""
        self._has_gradient, self._returned = False, []
        self._graphs.difference_update(around())

    def _ignores(self) -> bool:
        recorder = self._recorder
        return bool(
            recorder.left
            or recorder.paused
            or recorder.inside_fit
            or threading.current_thread() is not threading.main_thread()
        )

    def _wrap_gradient(self, original: Any) -> Any:
        from tensorflow.python.eager import context

        def gradient(tape: Any, target: Any, *arguments: Any, **named: Any) -> Any:
            result = original(tape, target, *arguments, **named)
            if self._ignores():
                return result
            if not context.executing_eagerly():
                self._graphs.update(around())
                return result
            self._end_step()
            self._has_gradient = True
            if self._recorder.recording:
                self._returned += self._rows(target, result)
            return result

        return gradient

    def _rows(self, target: Any, result: Any) -> List[Tuple[str, str, Any]]:
        """Return what is observed of a gradient; a step may use several."""
        import tensorflow as tf

        rows = [("loss", "loss", target.numpy())] if getattr(target, "shape", None) == () else []
        rows += gradients(tf.nest.flatten(result))
        number = 1 + sum(name.startswith("loss") for _, name, _ in self._returned)
        if number == 1:
            return rows
        return [(stage, "%s (%d)" % (name, number), value) for stage, name, value in rows]

    def _wrap_assign(self, original: Any) -> Any:
        from tensorflow.python.eager import context

        def assign(variable: Any, *arguments: Any, **named: Any) -> Any:
            if self._ignores() or _of_keras():
                return original(variable, *arguments, **named)
            if not context.executing_eagerly():
                graphs = list(around())
                if any(one in self._graphs for one in graphs):
                    self._functions.met(self, [self._named(variable)], [])
                return original(variable, *arguments, **named)
            if id(variable) in self._in_step:
                self._end_step()
            if self._has_gradient:
                self._in_step[id(variable)] = self._named(variable)
            return original(variable, *arguments, **named)

        return assign

    def _named(self, variable: Any) -> Updated:
        """Return the variable with its name; record its value if it is new."""
        from tensorflow.python.framework import ops

        known = self._known.get(id(variable))
        if known is None:
            name = variable.name.partition(":")[0]
            number = self._taken[name] = self._taken.get(name, 0) + 1
            known = Updated(name if number == 1 else "%s (%d)" % (name, number), variable)
            self._known[id(variable)] = known
            with ops.init_scope():
                readable = bool(variable.is_initialized())
                self._recorder.made("init", known.path, known, self._hooks, readable)
        return known

    def _end_step(self) -> None:
        """Record the step of eager code that has ended, if there is one."""
        weights, self._in_step = list(self._in_step.values()), {}
        if not weights:
            return
        self._has_gradient, returned, self._returned = False, self._returned, []
        if self._recorder.counting:
            self._hooks.step(returned, weights, [State([], weights)])


def _of_keras() -> bool:
    """Whether Keras assigns: the innermost caller that is neither TensorFlow's nor detaudit's."""
    frame: Any = sys._getframe(2)
    while frame is not None:
        package = str(frame.f_globals.get("__name__")).partition(".")[0]
        if package not in ("tensorflow", "detaudit_probes"):
            return package in OF_KERAS
        frame = frame.f_back
    return False

"""Watching Keras 3 on JAX: steps that a script compiles by itself, and updates by an optimizer's ``stateless_apply``.

Such a step is a pure function, whose state goes in and comes out. It is known by what happens while JAX traces it: an
optimizer of Keras is applied. Each call is a step from then on. What goes in, other than the last call's results, is
its batch; what comes out is named by the variables that it stands for.
"""
import functools
import inspect
from typing import Any, Dict, List, Tuple

from detaudit_probes.script.plain_watch import Leaf, PlainWatching, Stated, traced

#: Before the name of what belongs to an optimizer.
OPTIMIZER = "optimizer/"


class JaxWatching(PlainWatching):
    def __init__(self, session: Any, recorder: Any, keras: Any) -> None:
        super().__init__(session, recorder, keras)
        self.applications = 0  # of optimizers, while functions were traced
        self.updated: Dict[int, Tuple[str, Any]] = {}  # what they gave, by its id: name, tracer

    def loops(self) -> None:
        import jax

        super().loops()
        self.session.wrap(jax, "jit", self._jitting)

    def applied_stateless(self, grads: List[Any], weights: List[Leaf], state: List[Leaf]) -> None:
        if not traced(grads):
            return super().applied_stateless(grads, weights, state)
        self.applications += 1
        self.named([(one.path, one.value) for one in weights])
        return self.named([(OPTIMIZER + one.path, one.value) for one in state])

    def named(self, tracers: List[Tuple[str, Any]]) -> None:
        self.updated.update({id(value): (name, value) for name, value in tracers if name})

    def read(self, variable: Any) -> Any:
        import jax

        value = self._backend.tensor(variable)
        if hasattr(value, "dtype") and jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
            value = jax.random.key_data(value)
        return self._backend.read(value)

    def _jitting(self, given: Any) -> Any:
        def jit(*arguments: Any, **named: Any) -> Any:
            users = len(arguments) == 1 and inspect.isfunction(arguments[0]) and \
                self.session.sites.is_users(arguments[0].__code__.co_filename)
            return Compiled(self, given, arguments[0], named) if users else given(*arguments, **named)

        return jit


class Compiled:
    """What ``jax.jit`` makes of ``function``, as JAX's own in all but this: calls are looked at, where it is a step."""

    def __init__(self, watching: JaxWatching, jit: Any, function: Any, choices: Dict[str, Any]) -> None:
        self._watching = watching
        self._called = False
        self._names: List[str] = []  # of its results, where it is a step; "" for those that are no variable
        self._results: Dict[int, Any] = {}  # of the last call, by their ids: kept alive, so that no other has them

        @functools.wraps(function)
        def followed(*arguments: Any, **named: Any) -> Any:
            import jax

            before = watching.applications
            result = function(*arguments, **named)
            if watching.applications > before:
                self._names = [watching.updated.get(id(one), ("",))[0] for one in jax.tree.leaves(result)]
            return result

        self._jitted = jit(followed, **choices)
        functools.update_wrapper(self, function)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._jitted, name)

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        return self if owner is None else functools.partial(self, owner)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        import jax

        watching, recorder = self._watching, self._watching.recorder
        if not recorder.counting or recorder.inside_fit or (self._called and not self._names):
            return self._jitted(*arguments, **named)
        given = jax.tree_util.tree_flatten_with_path((arguments, named))[0]
        if traced([one for _, one in given]):  # called by another function that is traced
            result = self._jitted(*arguments, **named)
            watching.named(list(zip(self._names, jax.tree.leaves(result))))
            return result
        # Looked at before the call, which may be given the memory of what goes in.
        batch = [("argument%s" % jax.tree_util.keystr(path), watching.read(one)) for path, one in given
                 if hasattr(one, "dtype") and id(one) not in self._results] if recorder.recording else []
        self._called = True
        result = self._jitted(*arguments, **named)
        watching.updated.clear()
        if self._names:
            self._step(batch, jax.tree.leaves(result))
        return result

    def _step(self, batch: List[Tuple[str, Any]], results: List[Any]) -> None:
        watching, recorder = self._watching, self._watching.recorder
        self._results = {id(one): one for one in results}
        weights, state, others = [], [], []
        for place, (name, one) in enumerate(zip(self._names, results)):
            if name.startswith(OPTIMIZER):
                state.append(Leaf(name[len(OPTIMIZER):], one))
            elif name:
                weights.append(Leaf(name, one))
            else:
                others.append(Leaf("result.%d" % place, one))
        if not weights:  # what goes round in a loop of JAX's bears no names
            weights, others = [one for one in others if one.shape], [one for one in others if not one.shape]
        returned = [("forward" if one.shape else "loss", one.path, watching.read(one)) for one in others]
        if batch:
            recorder.batch(batch)
        recorder.step("loop", recorder.steps, None, returned, weights, [Stated(state)], watching)

"""Observing Keras 3 on JAX: steps that a script compiles itself, and updates by an optimizer's
``stateless_apply``.

Such a step is a pure function of its state. It is recognized while JAX traces it, because an
optimizer of Keras is applied; each later call is a step. Its inputs, except the results of the last
call, are its batch; its results are named after the variables that they stand for.
"""

import functools
import types
from typing import Any, Callable, List, Optional, Tuple

from detaudit_probes import protocol
from detaudit_probes.hooks.keras.jax_compiled import (
    FOLLOWED,
    ByIdentity,
    Compiled,
    Followed,
    is_array,
)
from detaudit_probes.hooks.keras.jax_or_torch import Leaf, PlainHooks, Stated, traced
from detaudit_probes.ops.frameworks import jax_calls

#: Prefix of the names of an optimizer's state.
OPTIMIZER = "optimizer/"
#: JAX's loops: the place and the name of the argument that returns the next state. The loop's
#: result has the same structure.
LOOPS = {"scan": (0, "f"), "fori_loop": (2, "body_fun"), "while_loop": (1, "body_fun")}


class JaxHooks(PlainHooks):
    gradients = 0  # that functions have taken, if that is observed

    def __init__(self, session: Any, recorder: Any, keras: Any) -> None:
        super().__init__(session, recorder, keras)
        self.applications = 0  # applications of optimizers while functions were traced
        # The names of their results. No tracer is kept alive: it keeps its whole trace, and JAX
        # checks for leaked tracers.
        self.names = ByIdentity()
        self._given = ByIdentity()  # the results of followed functions

    def applied_stateless(self, grads: List[Any], weights: List[Leaf], state: List[Leaf]) -> None:
        if not traced(grads + [one.value for one in weights + state]):
            return super().applied_stateless(grads, weights, state)
        self.applications += 1
        self.name([(one.path, one.value) for one in weights])
        return self.name([(OPTIMIZER + one.path, one.value) for one in state])

    def name(self, tracers: List[Tuple[str, Any]]) -> None:
        for name, value in tracers:
            if name and traced([value]):
                self.names.put(value, name)

    def name_state(self, result: Any) -> None:
        """Does nothing: Keras' optimizers have named their state when they were applied."""

    def read(self, variable: Any) -> Any:
        return self._backend.read(self._plain(variable))

    def view(self, variable: Any) -> Any:
        return self._backend.view(self._plain(variable))

    def _plain(self, variable: Any) -> Any:
        import jax

        value = self._backend.tensor(variable)
        if hasattr(value, "dtype") and jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
            value = jax.random.key_data(value)
        return value

    def followed(self, function: Any, by_user: bool = False) -> Optional[Followed]:
        """Return what is known of a function of the user's, or of any function if the user's own
        code passes it to JAX (``by_user``).
        """
        if not callable(function) or not (by_user or self._is_users(function)):
            return None
        found = getattr(function, FOLLOWED, None)
        # Not the one of the function that it wraps
        if isinstance(found, Followed) and found.function is function:
            return found
        found = Followed(self, function)
        if isinstance(getattr(function, "__dict__", None), dict) and not isinstance(
            function, types.MethodType
        ):
            # Bypasses a class that intercepts the setting of attributes
            vars(function)[FOLLOWED] = found
        return found

    def _is_users(self, function: Any) -> bool:
        while function is not None:
            if isinstance(function, functools.partial):
                function = function.func
            code = getattr(getattr(function, "__func__", function), "__code__", None)
            if code is not None and self.session.sites.is_users(code.co_filename):
                return True
            function = getattr(function, "__wrapped__", None)
        return False

    def guess_names(
        self, function: Any, gradients: int, arguments: Any, named: Any, result: Any
    ) -> List[str]:
        """Return the names of a traced function's results if it is a step although it applied no
        optimizer of Keras: none is.
        """
        return []

    def looks(self) -> bool:
        """Whether calls may be steps now."""
        return bool(self.recorder.counting) and not self.recorder.inside_fit

    def jitting(self, original: Any, maps: bool = False) -> Any:
        def jit(*arguments: Any, **named: Any) -> Any:
            if maps and not arguments and "fun" not in named:
                return original(**named)  # which JAX does not know
            if not arguments and "fun" not in named:  # a decorator with options
                return functools.partial(jit, **named)
            function, rest = (arguments[0], arguments[1:]) if arguments else (named["fun"], ())
            if maps and len(rest) == 1 and "axis_name" not in named:
                named, rest = dict(named, axis_name=rest[0]), ()
            followed = None if rest else self.followed(function, self.session.sites.led_here())
            if followed is None:
                return original(*arguments, **named)
            return Compiled(
                followed,
                original,
                {name: one for name, one in named.items() if name != "fun"},
                maps,
            )

        return jit

    def looping(self, original: Any, place: int, keyword: str) -> Any:
        def anew(followed: Followed, *arguments: Any, **named: Any) -> Any:
            """Return the loop, with a function that JAX has not traced."""

            def body(*turn: Any) -> Any:
                return followed.function(*turn)

            return original(
                *[body if one is followed.traced else one for one in arguments],
                **{name: body if one is followed.traced else one for name, one in named.items()},
            )

        def loop(*arguments: Any, **named: Any) -> Any:
            function = arguments[place] if len(arguments) > place else named.get(keyword)
            followed = self.followed(function) if self.looks() else None
            if followed is None:
                return original(*arguments, **named)
            if len(arguments) > place:
                arguments = arguments[:place] + (followed.traced,) + arguments[place + 1 :]
            else:
                named[keyword] = followed.traced
            return self.called(
                followed, original, arguments, named, None, functools.partial(anew, followed)
            )

        return loop

    def called(
        self,
        followed: Followed,
        function: Callable[..., Any],
        arguments: Any,
        named: Any,
        call: Any,
        traced_anew: Callable[..., Any],
    ) -> Any:
        """Return the result of ``function``, which traces what is ``followed`` unless it has
        already; record a step if it is one.

        ``call`` is the call's signature (see :func:`_signature`), or None in a loop of JAX's.
        ``traced_anew`` does the same with a function that JAX has not traced.
        """
        import jax

        given = jax.tree_util.tree_flatten_with_path((arguments, named))[0]
        known = followed.last if call is None else followed.names.get(call)
        before, followed.last = followed.last, None
        # Read before the call, which may take over the memory of its inputs.
        looks = known != [] and self.recorder.recording and not traced([one for _, one in given])
        arrays = (
            [
                ("%s%s" % (protocol.ARGUMENT, jax.tree_util.keystr(path)), one)
                for path, one in given
                if is_array(one) and id(one) not in followed.results
            ]
            if looks
            else []
        )
        # The results of another followed function, such as gradients, were not loaded.
        computed = [
            ("forward", name, self.read(one)) for name, one in arrays if self._given.get(one)
        ]
        batch = [(name, self.read(one)) for name, one in arrays if not self._given.get(one)]
        step = (
            jax_calls.begun(self.recorder.pinpoint, arguments, named, followed.made(), is_array)
            if looks
            else None
        )
        try:
            result = function(*arguments, **named)
        except BaseException:
            followed.last = before
            if step is not None:
                self.recorder.pinpoint.drop()
            raise
        if followed.last is None:  # it was traced before
            followed.last = before
        elif call is not None:
            # If it maps to cards, the traced function has other shapes than the call
            followed.names.setdefault(call, followed.last)
        names = followed.last if call is None else followed.names.get(call)
        results = jax.tree.leaves(result)
        self.gave(results)
        is_step = bool(names) and len(names) == len(results) and all(map(is_array, results))
        if step is not None and is_step:
            weights = {
                place for place, name in enumerate(names) if name and not name.startswith(OPTIMIZER)
            }
            step.replay(traced_anew, function, result, weights or set(range(len(names))))
        elif step is not None:
            self.recorder.pinpoint.drop()
        if not names or len(names) != len(results):
            return result
        # Called by a function that is itself being traced, perhaps with an older trace of this one.
        if traced(results):
            self.applications += 1
            self.name(list(zip(names, results)))
        elif is_step:
            first, followed.results = (
                not followed.results,
                {id(one): (name, one) for name, one in zip(names, results)},
            )
            self._stepped(batch, computed, names, results, first)
        return result

    def gave(self, results: List[Any]) -> None:
        """Note the results of a followed function; they are not kept alive."""
        if self.recorder.recording:
            for one in filter(is_array, results):
                self._given.put(one, True)

    def _stepped(
        self,
        batch: List[Tuple[str, Any]],
        computed: List[Tuple[str, str, Any]],
        names: List[str],
        results: List[Any],
        first: bool,
    ) -> None:
        weights, state, others = [], [], []
        for place, (name, one) in enumerate(zip(names, results)):
            if name.startswith(OPTIMIZER):
                state.append(Leaf(name[len(OPTIMIZER) :], one))
            elif name:
                weights.append(Leaf(name, one))
            else:
                others.append(Leaf("result.%d" % place, one))
        if not weights:  # values that passed through a function that is not followed have no names
            weights, others = (
                [one for one in others if one.shape],
                [one for one in others if not one.shape],
            )
            # After the first call: has any input changed? Later inputs are compared with the
            # first.
            before = [array for _, array in batch] if first else []
            for one in map(self.read, [weight.value for weight in weights] if before else []):
                alike = [
                    array
                    for array in before
                    if (array.shape, array.dtype) == (one.shape, one.dtype)
                ]
                self.recorder.moved |= bool(alike) and all(
                    array.tobytes() != one.tobytes() for array in alike
                )
        returned = computed + [
            ("forward" if one.shape else "loss", one.path, self.view(one)) for one in others
        ]
        if batch:
            self.recorder.batch(batch)
        self.step(returned, weights, [Stated(state)])

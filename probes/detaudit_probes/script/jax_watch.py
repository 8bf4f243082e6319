"""Watching Keras 3 on JAX: steps that a script compiles by itself, and updates by an optimizer's ``stateless_apply``.

Such a step is a pure function, whose state goes in and comes out. It is known by what happens while JAX traces it: an
optimizer of Keras is applied. Each call is a step from then on. What goes in, other than the last call's results, is
its batch; what comes out is named by the variables that it stands for.
"""
import functools
import inspect
import sys
import types
import weakref
from typing import Any, Callable, Dict, List, Optional, Set, Tuple

from detaudit_probes import protocol
from detaudit_probes.ops.frameworks import jax_calls
from detaudit_probes.script.plain_watch import Leaf, PlainWatching, Stated, traced

#: Before the name of what belongs to an optimizer.
OPTIMIZER = "optimizer/"
#: The attribute of a function of the user's that holds what is known of its traces, so that both go together.
FOLLOWED = "_detaudit_followed"
#: Loops of JAX's: where the function stands that gives the next state, and its name. The loop's result is like its.
LOOPS = {"scan": (0, "f"), "fori_loop": (2, "body_fun"), "while_loop": (1, "body_fun")}


def prepare(session: Any, recorder: Any) -> None:
    """From the moment that JAX is there: a script may take ``jit`` out of it before it imports Keras."""
    import jax

    def once_followed(make: Callable[[JaxWatching, Any], Any], given: Any) -> Any:
        made: List[Any] = []

        def function(*arguments: Any, **named: Any) -> Any:
            if not made and isinstance(recorder.following, JaxWatching):
                made.append(make(recorder.following, given))
            return (made[0] if made else given)(*arguments, **named)

        return function

    session.wrap(jax, "jit", functools.partial(once_followed, JaxWatching.jitting))
    for name, (place, keyword) in LOOPS.items():
        session.wrap(jax.lax, name, functools.partial(
            once_followed, functools.partial(JaxWatching.looping, place=place, keyword=keyword)))


def _caller() -> str:
    """The file of the innermost code that is not this module's."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return "" if frame is None else str(frame.f_code.co_filename)


class JaxWatching(PlainWatching):
    def __init__(self, session: Any, recorder: Any, keras: Any) -> None:
        super().__init__(session, recorder, keras)
        self.applications = 0  # of optimizers, while functions were traced
        # What they gave, by its id. No tracer is kept alive: it holds its whole trace, and JAX looks for such.
        self._names: Dict[int, Tuple[str, Any]] = {}
        self._given: Dict[int, Any] = {}  # weak references to what functions that are followed gave, by its id

    def applied_stateless(self, grads: List[Any], weights: List[Leaf], state: List[Leaf]) -> None:
        if not traced(grads + [one.value for one in weights + state]):
            return super().applied_stateless(grads, weights, state)
        self.applications += 1
        self.name([(one.path, one.value) for one in weights])
        return self.name([(OPTIMIZER + one.path, one.value) for one in state])

    def name(self, tracers: List[Tuple[str, Any]]) -> None:
        def forget(reference: Any, key: int) -> None:
            if self._names.get(key, ("", None))[1] is reference:
                del self._names[key]

        for name, value in tracers:
            if name and traced([value]):
                self._names[id(value)] = name, weakref.ref(value, functools.partial(forget, key=id(value)))

    def name_of(self, tracer: Any) -> str:
        name, reference = self._names.get(id(tracer), ("", None))
        return name if reference is not None and reference() is tracer else ""

    def read(self, variable: Any) -> Any:
        import jax

        value = self._backend.tensor(variable)
        if hasattr(value, "dtype") and jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
            value = jax.random.key_data(value)
        return self._backend.read(value)

    def followed(self, function: Any, caller: str) -> Optional["Followed"]:
        """What is known of a function of the user's, or of any that the user's own code hands to JAX."""
        users = (bool(caller) and self.session.sites.is_users(caller)) or self._is_users(function)
        if not callable(function) or not users:
            return None
        found = getattr(function, FOLLOWED, None)
        if isinstance(found, Followed) and found.function is function:  # not that of what it wraps
            return found
        found = Followed(self, function)
        if isinstance(getattr(function, "__dict__", None), dict) and not isinstance(function, types.MethodType):
            vars(function)[FOLLOWED] = found  # past what a class does where an attribute is set
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

    def jitting(self, given: Any) -> Any:
        def jit(*arguments: Any, **named: Any) -> Any:
            if not arguments and "fun" not in named:  # a decorator with its choices
                return functools.partial(jit, **named)
            function, rest = (arguments[0], arguments[1:]) if arguments else (named["fun"], ())
            followed = None if rest else self.followed(function, _caller())
            if followed is None:
                return given(*arguments, **named)
            return Compiled(followed, given, {name: one for name, one in named.items() if name != "fun"})

        return jit

    def looping(self, given: Any, place: int, keyword: str) -> Any:
        def anew(followed: Followed, *arguments: Any, **named: Any) -> Any:
            """The loop, of a function that JAX has not traced."""
            def body(*turn: Any) -> Any:
                return followed.function(*turn)

            return given(*[body if one is followed.traced else one for one in arguments],
                         **{name: body if one is followed.traced else one for name, one in named.items()})

        def loop(*arguments: Any, **named: Any) -> Any:
            function = arguments[place] if len(arguments) > place else named.get(keyword)
            followed = self.followed(function, "") if self.recorder.counting and not self.recorder.inside_fit else None
            if followed is None:
                return given(*arguments, **named)
            if len(arguments) > place:
                arguments = arguments[:place] + (followed.traced,) + arguments[place + 1:]
            else:
                named[keyword] = followed.traced
            return self.called(followed, given, arguments, named, None, functools.partial(anew, followed))

        return loop

    def called(self, followed: "Followed", function: Callable[..., Any], arguments: Any, named: Any, call: Any,
               traced_anew: Callable[..., Any]) -> Any:
        """The result of ``function``, which traces what is ``followed`` where it has not yet; a step, where that is.

        ``call`` is the call's signature (see :func:`_signature`), or None in a loop of JAX's. ``traced_anew`` does the
        same, and JAX has not traced it.
        """
        import jax

        given = jax.tree_util.tree_flatten_with_path((arguments, named))[0]
        known = followed.last if call is None else followed.names.get(call)
        # Looked at before the call, which may be given the memory of what goes in.
        looks = known != [] and self.recorder.recording and not traced([one for _, one in given])
        arrays = [("%s%s" % (protocol.ARGUMENT, jax.tree_util.keystr(path)), one) for path, one in given
                  if _is_array(one) and id(one) not in followed.results] if looks else []
        # What another function that is followed gave, such as gradients, was not loaded.
        computed = [("forward", name, self.read(one)) for name, one in arrays if self._has_given(one)]
        batch = [(name, self.read(one)) for name, one in arrays if not self._has_given(one)]
        step = jax_calls.begun(self.recorder.pinpoint, arguments, named, followed.made(), _is_array) if looks else None
        try:
            result = function(*arguments, **named)
        except BaseException:
            if step is not None:
                self.recorder.pinpoint.drop()
            raise
        names = followed.names.get(call, followed.last)
        results = jax.tree.leaves(result)
        self.gave(results)
        is_step = bool(names) and len(names) == len(results) and all(map(_is_array, results))
        if step is not None and is_step:
            weights = {place for place, name in enumerate(names) if name and not name.startswith(OPTIMIZER)}
            step.replay(traced_anew, function, result, weights or set(range(len(names))))
        elif step is not None:
            self.recorder.pinpoint.drop()
        if not names or len(names) != len(results):
            return result
        if traced(results):  # by a function that is traced itself, perhaps with a trace of this one that is there
            self.applications += 1
            self.name(list(zip(names, results)))
        elif is_step:
            first, followed.results = not followed.results, {id(one): (name, one) for name, one in zip(names, results)}
            self._returned(batch, computed, names, results, first)
        return result

    def gave(self, results: List[Any]) -> None:
        """A function that is followed gave these; they are not kept alive."""
        if self.recorder.recording:
            for one in results:
                if _is_array(one):
                    self._given[id(one)] = weakref.ref(one, functools.partial(self._forget, id(one)))

    def _forget(self, key: int, reference: Any) -> None:
        if self._given.get(key) is reference:
            del self._given[key]

    def _has_given(self, array: Any) -> bool:
        reference = self._given.get(id(array))
        return reference is not None and reference() is array

    def _returned(self, batch: List[Tuple[str, Any]], computed: List[Tuple[str, str, Any]], names: List[str],
                  results: List[Any], first: bool) -> None:
        weights, state, others = [], [], []
        for place, (name, one) in enumerate(zip(names, results)):
            if name.startswith(OPTIMIZER):
                state.append(Leaf(name[len(OPTIMIZER):], one))
            elif name:
                weights.append(Leaf(name, one))
            else:
                others.append(Leaf("result.%d" % place, one))
        if not weights:  # what went through a function that is not followed bears no names
            weights, others = [one for one in others if one.shape], [one for one in others if not one.shape]
            # After the first call: has anything changed of what went in? Later ones are compared with the first's.
            before = [array for _, array in batch] if first else []
            for one in map(self.read, [weight.value for weight in weights] if before else []):
                alike = [array for array in before if (array.shape, array.dtype) == (one.shape, one.dtype)]
                self.recorder.moved |= bool(alike) and all(array.tobytes() != one.tobytes() for array in alike)
        returned = computed + [("forward" if one.shape else "loss", one.path, self.read(one)) for one in others]
        if batch:
            self.recorder.batch(batch)
        self.step(returned, weights, [Stated(state)])


class Followed:
    """A function that JAX traces: ``traced`` is what JAX gets in its place, which does the same.

    ``names`` are those of its results, by the signature of a call: "" for one that is no variable, and none at all
    where no optimizer was applied. ``last`` are those of the last trace. ``results`` are the last call's with their
    names, by their ids; they are kept alive, so that no other value has one of these.
    """

    def __init__(self, watching: JaxWatching, function: Any) -> None:
        self.watching, self.function = watching, function
        self.names: Dict[Any, List[str]] = {}
        self.last: Optional[List[str]] = None
        self.results: Dict[int, Tuple[str, Any]] = {}

        @functools.wraps(function)
        def followed(*arguments: Any, **named: Any) -> Any:
            import jax

            before = watching.applications
            result = function(*arguments, **named)
            self.last = [watching.name_of(one) for one in jax.tree.leaves(result)] \
                if watching.applications > before else []
            call = _signature(arguments, named)
            if call is not None:
                self.names[call] = self.last
            return result

        inner = function
        while isinstance(inner, functools.partial):
            inner = inner.func
        followed.__name__ = getattr(inner, "__name__", type(inner).__name__)  # as JAX calls what it compiles
        vars(followed).pop(FOLLOWED, None)
        self.traced = followed

    def made(self) -> Dict[int, str]:
        """The names of what the last step has given, by its ids."""
        return {key: name for key, (name, _) in self.results.items()}

    def __reduce__(self) -> Any:
        return type(None), ()  # where a function is copied with its attributes, into another process too


class Compiled:
    """What ``jax.jit`` makes of a function, as JAX's own in all but this: calls are looked at, where it is a step."""

    def __init__(self, followed: Followed, jit: Any, choices: Dict[str, Any]) -> None:
        # First, for it copies the attributes of what it wraps, which may be one of these: ``jax.grad`` of it, for one.
        functools.update_wrapper(self, followed.function)
        vars(self).pop(FOLLOWED, None)
        self._followed = followed
        self._static = _static(followed.function, choices)
        self._jitted = jit(followed.traced, **choices)

    def __getattr__(self, name: str) -> Any:
        if name == "_jitted":
            raise AttributeError(name)
        return getattr(self._jitted, name)

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        return self if owner is None else types.MethodType(self, owner)

    def __reduce__(self) -> Any:
        return self.__qualname__  # as a function: found under its name, and a copy is itself

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        watching = self._followed.watching
        if not watching.recorder.counting or watching.recorder.inside_fit:
            return self._jitted(*arguments, **named)
        call = _signature(arguments, named, self._static)
        if call is not None and self._followed.names.get(call) == []:
            import jax

            result = self._jitted(*arguments, **named)
            watching.gave(jax.tree.leaves(result))
            return result
        return watching.called(self._followed, self._jitted, arguments, named, call, self._followed.function)


def _static(function: Any, choices: Dict[str, Any]) -> Set[Any]:
    """The places and the names of the arguments that JAX does not trace."""
    found: Set[Any] = set()
    for choice in ("static_argnums", "static_argnames"):
        given = choices.get(choice)
        found |= set() if given is None else {given} if isinstance(given, (int, str)) else set(given)
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        names = []
    found |= {place + len(names) for place in found if isinstance(place, int) and place < 0}
    found |= {names[place] for place in found if isinstance(place, int) and 0 <= place < len(names)}
    return found | {names.index(name) for name in found if name in names}


def _signature(arguments: Any, named: Any, static: Optional[Set[Any]] = None) -> Any:
    """What calls have in common that are served by one trace: the arguments' structure and shapes, and what is static.

    While a function is traced (no ``static``) every number that is left is static. None where it cannot be compared.
    """
    import jax

    found: List[Any] = []
    for place, one in [*enumerate(arguments), *sorted(named.items())]:
        leaves, tree = jax.tree.flatten(one)
        shapes = [tuple(leaf.shape) if _is_array(leaf) or traced([leaf]) else
                  () if static is not None and place not in static and isinstance(leaf, (bool, int, float, complex))
                  else leaf for leaf in leaves]
        found.append((place, tree, *shapes))
    try:
        hash(tuple(found))
    except TypeError:
        return None
    return tuple(found)


def _is_array(value: Any) -> bool:
    """Whether it is an array whose bits are on this host. (A dtype, a loss and a model have a ``dtype`` too.)"""
    import jax
    import numpy

    return isinstance(value, (numpy.ndarray, numpy.generic)) or (
        isinstance(value, jax.Array) and not traced([value]) and value.is_fully_addressable)

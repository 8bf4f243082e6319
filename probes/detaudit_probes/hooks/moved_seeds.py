"""Other seeds in place of the script's own: each integer with which it seeds or makes a generator
gets the same number added.

That number is 0 in the first run, which is the script as it is. Other seeds stay: the
``random_state=0`` of an estimator, the ``seed=1`` of a layer.
"""

import numbers
import random
import sys
import threading
from typing import Any, Callable, Dict, List, Set

from detaudit_probes import sources
from detaudit_probes.hooks.seeds import owner_of
from detaudit_probes.protocol import Seeding

#: Functions that make a generator from a seed: the module, and the name in it.
MAKERS = (
    ("numpy", "random.default_rng"),
    ("numpy", "random.RandomState"),
    ("jax", "random.PRNGKey"),
    ("jax", "random.key"),
    ("random", "Random.seed"),
)
NAMES = ("seed", "a", "x")  # of the argument
_LIMIT = 2**32  # NumPy takes no larger seed
MOST = 200  # lines that are listed


class _Moving:
    def __init__(self, session: Any, added: int, found: List[Seeding]) -> None:
        self._session, self._added, self._found = session, added, found
        self._known: Set[Seeding] = set()
        self._now = threading.local()

    def called(
        self, title: str, original: Callable[..., Any], makes: bool, arguments: Any, named: Any
    ) -> Any:
        """Call the original with a moved seed, unless another such call contains this one. A
        function that ``makes`` a generator is moved only where the user calls it: a library that
        makes one for a ``random_state`` is given that by the user.
        """
        place, sites = None, self._session.sites
        if not getattr(self._now, "inside", False) and (not makes or sites.led_here()):
            place = sites.innermost()
        if place is None:
            return original(*arguments, **named)
        moved = self._moved(arguments, named)
        own = arguments[isinstance(next(iter(arguments), None), random.Random) :]
        if moved is None and all(one is None for one in (*own, *named.values())):
            return original(*arguments, **named)
        seeding = Seeding(place.file, place.line, title, moved is not None, 0)
        if seeding not in self._known and len(self._known) < MOST:
            self._known.add(seeding)
            self._found.append(seeding)
        if moved is None:  # no integer
            return original(*arguments, **named)
        self._now.inside = True
        try:
            return original(*moved[0], **moved[1])
        finally:
            self._now.inside = False

    def _moved(self, arguments: Any, named: Dict[str, Any]) -> Any:
        """Return the arguments with the seed moved, if it is an integer; else None. A method's
        first argument is its object.
        """
        for place, one in enumerate(arguments[:2]):
            if place and not isinstance(arguments[0], random.Random):
                break
            if _is_seed(one):
                new = arguments[:place] + (self._other(one),) + arguments[place + 1 :]
                return new, named
        for name in NAMES:
            if _is_seed(named.get(name)):
                return arguments, dict(named, **{name: self._other(named[name])})
        return None

    def _other(self, seed: Any) -> int:
        return (int(seed) + self._added) % _LIMIT if 0 <= seed < _LIMIT else int(seed) + self._added


def move(session: Any, added: int, found: List[Seeding]) -> None:
    """Add ``added`` to every seed of the user's code; list the calls in ``found``."""
    moving = _Moving(session, added, found)
    known = [pair for source, _ in sources.declared().values() for pair in source.seeders]
    for module, path in (*known, *MAKERS):
        makes = (module, path) in MAKERS
        session.after_import(module, _wrapping(session, moving, module, path, makes))


def _wrapping(
    session: Any, moving: _Moving, module: str, path: str, makes: bool
) -> Callable[[], None]:
    *folders, name = path.split(".")
    title = "%s.%s" % ("tf.keras" if module.endswith("._v2.keras") else module, path)

    def made(original: Any) -> Any:
        if isinstance(original, type):
            return _of_class(moving, title, original, makes)

        def seed(*arguments: Any, **named: Any) -> Any:
            return moving.called(title, original, makes, arguments, named)

        return seed

    return lambda: session.wrap(owner_of(sys.modules[module], folders), name, made)


def _of_class(moving: _Moving, title: str, original: Any, makes: bool) -> Any:
    """Return a class that makes objects with moved seeds; objects of the original class are
    instances of it.
    """

    class Meta(type(original)):  # type: ignore[misc]
        def __instancecheck__(cls, thing: Any) -> bool:
            return isinstance(thing, original)

        def __subclasscheck__(cls, kind: Any) -> bool:
            return issubclass(kind, original)

        def __call__(cls, *arguments: Any, **named: Any) -> Any:
            if cls is not moved:  # a class of the user's
                return super().__call__(*arguments, **named)
            return moving.called(title, original, makes, arguments, named)

    moved = Meta(original.__name__, (original,), {"__doc__": original.__doc__})
    return moved


def _is_seed(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)

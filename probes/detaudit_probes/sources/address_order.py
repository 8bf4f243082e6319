"""Object addresses: the default hash of an object and its ``id()`` are its memory address.

The operating system loads every process at a different address (address space layout
randomization), so a set of plain objects is iterated in a different order in every run. The hash
seed does not affect this. Even without the randomization, threads such as TensorFlow's allocate
memory in an order that varies.

detaudit pins this source in two ways from outside: it starts the process without the randomization,
if the system allows that, and it gives the script's own code numbers in place of addresses. Objects
are numbered in the order in which they are first hashed or passed to ``id()``. The numbers apply to
the script's classes without a base class and to the classes that inherit from those. A
``__deepcopy__`` that fills its memo by ``id`` may break.
"""

import builtins
import itertools
import sys
import weakref

from detaudit_probes.declare import Edit, InScript, Link, Pin, Source
from detaudit_probes.protocol import Settings

ID = "address-order"
# Objects that are numbered at one time. An object without weak references is kept alive until then.
MOST_KNOWN = 100000
PIN = "fixed-addresses"
CALLS = ("id", "hash")

SOURCE = Source(
    id=ID,
    family="order",
    title="object addresses (id(), sets of objects)",
    breaks="A set of objects is iterated in the order of their addresses.",
    experiment=None,
    pins=(
        Pin(
            id=PIN,
            sources=(ID,),
            settings=Settings(fixed_addresses=True),
            lines={"*": ("# use a list, or define __hash__ and __eq__ from the object's values",)},
        ),
    ),
    links=(
        Link(
            "object.__hash__", "https://docs.python.org/3/reference/datamodel.html#object.__hash__"
        ),
    ),
    advice="Keep objects in a list or a dictionary; a set of objects has no stable order.",
    script=InScript(
        PIN,
        rank=200,
        may_fail=True,
        counted=False,
        at_start=True,
        direct=True,
        edits=(
            Edit("seed", calls=CALLS),
            Edit("ordered set"),
            Edit("numbers", calls=CALLS),
        ),
    ),
)

_id, _hash = id, hash


def pin_script(session, name):
    """Replace addresses with numbers that are the same in every run that asks in the same order."""
    _replace(session, _Numbers().of)


def spy(session):
    """Record the lines that ask for an address; they get the real one."""

    def counting(thing):
        session.drew(ID)
        return _id(thing)

    _replace(session, counting)


class _Numbers:
    """Numbers objects in the order in which they appear. Two live objects never share a number."""

    def __init__(self):
        self._known = {}  # by address: the number, and a reference to the object while it lives
        self._next = itertools.count(16, 16)

    def of(self, thing):
        key = _id(thing)
        known = self._known.get(key)
        if known is not None and known[1]() is thing:
            return known[0]
        if len(self._known) > MOST_KNOWN:
            return key
        number = next(self._next)
        try:
            alive = weakref.ref(thing, lambda reference: self._known.pop(key, None))
        except TypeError:

            def alive():
                return (
                    thing  # kept alive: otherwise a new object at its address would be taken for it
                )

        self._known[key] = number, alive
        return number


def _replace(session, number):
    """Let the user's code get ``number(thing)`` for ``id(thing)`` and for the default hash."""

    def asked(thing):
        return number(thing) if _by_user(session) else _id(thing)

    def hash_of(thing):
        plain = type(thing).__hash__ is object.__hash__
        return number(thing) if plain and _by_user(session) else _hash(thing)

    class Numbered(object):
        """Replaces ``object`` as the base of a user's class and changes nothing but its hash."""

        __slots__ = ()

        def __hash__(self):
            kinds = type(self).__mro__
            # The bases before ``object`` decide, as they do without the hook
            for kind in kinds[kinds.index(Numbered) + 1 : -1]:
                if "__hash__" in vars(kind):
                    if kind.__hash__ is None:
                        raise TypeError("unhashable type: %r" % type(self).__name__)
                    return kind.__hash__(self)
            return number(self)

    build = builtins.__build_class__

    def build_class(function, name, *bases, **named):
        if _by_user(session) and "metaclass" not in named and bases in ((), (object,)):
            return build(function, name, Numbered, **named)
        return build(function, name, *bases, **named)

    builtins.id, builtins.hash, builtins.__build_class__ = asked, hash_of, build_class


def _by_user(session):
    return session.sites.is_users(sys._getframe(2).f_code.co_filename)

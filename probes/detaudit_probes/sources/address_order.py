"""Addresses: the default hash of an object, ``id()``, and so the order of a set of objects, is
where it lies in memory.

The system loads every process elsewhere (address space layout randomisation), so a set of plain
objects is iterated in another order in every run; the hash seed does not reach it. Even without the
randomisation threads allocate memory in an order of their own, as TensorFlow's do. From outside it
is held twice over: by a process without the randomisation, where that is allowed, and by numbers in
place of addresses, wherever the script's own code asks for one: objects are numbered in the order
in which they are first hashed, or asked for their ``id``. That reaches classes of the script that
have no base, and what derives from these. A ``__deepcopy__`` that fills its memo by ``id`` may
break.
"""

import builtins
import itertools
import sys
import weakref

from detaudit_probes.declare import InScript, Link, Pin, Source
from detaudit_probes.protocol import Settings

ID = "address-order"
MOST_KNOWN = 100000  # objects that are numbered at one time: what allows no weak reference is kept alive by it
PIN = "fixed-addresses"

SOURCE = Source(
    id=ID,
    family="order",
    title="the order of addresses (id(), sets of objects)",
    breaks="A set of objects is iterated in the order of their addresses.",
    experiment=None,
    pins=(
        Pin(
            id=PIN,
            sources=(ID,),
            settings=Settings(fixed_addresses=True),
            lines={
                "*": ("# use a list, or give the class a __hash__ and __eq__ of its own values",)
            },
        ),
    ),
    links=(
        Link(
            "object.__hash__", "https://docs.python.org/3/reference/datamodel.html#object.__hash__"
        ),
    ),
    advice="Keep objects in a list or a dictionary; a set of them has no order of its own.",
    script=InScript(PIN, counted=False, direct=True),
)

_id, _hash = id, hash


def pin_script(session, name):
    """Numbers in place of addresses, the same in every run that asks in the same order."""
    _replace(session, _Numbers().of)


def spy(session):
    """The lines that ask; what they get is the address."""

    def counting(thing):
        session.drew(ID)
        return _id(thing)

    _replace(session, counting)


class _Numbers:
    """Numbers objects as they come. Two that live at the same time have two numbers."""

    def __init__(self):
        self._known = {}  # by address: the number, and what gives the object while it lives
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
                return thing  # kept: another object at its address would be taken for it

        self._known[key] = number, alive
        return number


def _replace(session, number):
    """Let the user's code have ``number(thing)`` for ``id(thing)`` and for the default hash."""

    def asked(thing):
        return number(thing) if _by_user(session) else _id(thing)

    def hash_of(thing):
        plain = type(thing).__hash__ is object.__hash__
        return number(thing) if plain and _by_user(session) else _hash(thing)

    class Numbered(object):
        """Instead of ``object`` below a class of the user's: it decides nothing but the hash."""

        __slots__ = ()

        def __hash__(self):
            kinds = type(self).__mro__
            # What comes before ``object`` decides, as without us
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

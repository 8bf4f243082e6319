"""A ``RandomState`` with a seed takes entropy first, and throws it away when it is seeded
(``numpy/random/mtrand.pyx``, ``RandomState.__init__``): such a line draws nothing that matters.
"""

from typing import Any

from detaudit_probes.hooks.session import Session


def ignore_discarded(session: Session) -> None:
    """Do not record lines that create a ``RandomState`` with a seed. Only for a trial that is not
    judged: it replaces the class with one that behaves alike.
    """
    session.after_import("numpy", lambda: _replace(session))


def _replace(session: Session) -> None:
    import numpy

    original = numpy.random.RandomState

    class Kind(type(original)):  # type: ignore[misc]
        def __instancecheck__(cls, one: Any) -> bool:
            return isinstance(one, original)

        def __call__(cls, *arguments: Any, **named: Any) -> Any:
            make = original if cls is seeded else super().__call__
            if (arguments[0] if arguments else named.get("seed")) is None:
                return make(*arguments, **named)
            with session.sites.ignored():
                return make(*arguments, **named)

    seeded = Kind("RandomState", (original,), {"__doc__": original.__doc__})
    numpy.random.RandomState = numpy.random.mtrand.RandomState = seeded

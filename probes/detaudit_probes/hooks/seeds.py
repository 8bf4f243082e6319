"""The seeds that a script sets itself: where, and after how many draws from the source under study.

A seed may come too late, or seed a different generator than the one that makes runs differ; the
report mentions both.
"""

import sys
from typing import Any, Callable, List

from detaudit_probes import sources
from detaudit_probes.protocol import Seeding


def record(session: Any, found: List[Seeding]) -> None:
    """Add every call of a seeding function in the user's code to ``found``, in order. A call
    without a seed is a draw.

    Each entry says whether it ``reaches`` the source under study, and how many ``draws`` from it
    came before.
    """

    def wrapper(title: str, reaches: bool) -> Any:
        def made(original: Any) -> Any:
            def seed(*arguments: Any, **named: Any) -> Any:
                place = session.sites.innermost()
                given_one = any(one is not None for one in [*arguments, *named.values()])
                if place is not None and given_one:
                    found.append(
                        Seeding(place.file, place.line, title, reaches, session.sites.drawn)
                    )
                if reaches:
                    session.sites.seeded = given_one
                return original(*arguments, **named)

            return seed

        return made

    for source, _ in sources.declared().values():
        reached = {name for pin in source.pins for name in pin.sources}
        for module, function in source.seeders:
            shown = "tf.keras" if module.endswith("._v2.keras") else module
            wrapping = wrapper("%s.%s" % (shown, function), session.spying in reached)
            session.after_import(module, _wrapping(session, module, function, wrapping))


def _wrapping(session: Any, module: str, function: str, wrapping: Any) -> Callable[[], None]:
    path = function.split(".")
    return lambda: session.wrap(owner_of(sys.modules[module], path[:-1]), path[-1], wrapping)


def owner_of(module: Any, path: List[str]) -> Any:
    """Return what has the last name of a path as its own, given the names before it."""
    owner = module
    for name in path:
        owner = getattr(owner, name, None)  # None if this version lacks it
    return owner

"""The seeds that a script sets by itself: where, and after how many draws from the source that is watched.

A seed may come too late, or reach another generator than the one that parts the runs; both are worth a sentence.
"""
import random
import sys
from typing import Any, List, Tuple

#: (module after whose import it is there, the attributes down to the function's owner, its name)
FUNCTIONS: Tuple[Tuple[str, Tuple[str, ...], str], ...] = (
    ("numpy", ("random",), "seed"),
    ("tensorflow", ("random",), "set_seed"),
    ("keras", ("utils",), "set_random_seed"),
)


def watch(session: Any, found: List[Any]) -> None:
    """Add to ``found`` every call of a seeding function from the user's code, in order."""

    def telling(title: str) -> Any:
        def made(given: Any) -> Any:
            def seed(*arguments: Any, **named: Any) -> Any:
                place = session.sites.innermost()
                if place is not None:
                    found.append({"function": title, "file": place.file, "line": place.line,
                                  "draws": session.counts.get(session.spying, 0)})
                return given(*arguments, **named)

            return seed

        return made

    session.wrap(random, "seed", telling("random.seed"))
    for module, path, name in FUNCTIONS:
        session.after_import(module, lambda module=module, path=path, name=name: session.wrap(
            _owner(module, path), name, telling(".".join((module,) + path + (name,)))))


def _owner(module: str, path: Tuple[str, ...]) -> Any:
    owner = sys.modules[module]
    for name in path:
        owner = getattr(owner, name)
    return owner

"""The seeds that a script sets by itself: where, and after how many draws from the source that is
watched.

A seed may come too late, or reach another generator than the one that parts the runs; both are
worth a sentence.
"""

import sys
from typing import Any, List, Tuple

from detaudit_probes.protocol import Seeding

#: What ``tf.keras`` is, from TensorFlow 2.6 on: each of these has names of its own for the same
#: functions.
TF_KERAS = ("keras.api._v2.keras", "tf_keras.api._v2.keras")
#: (module after whose import it is there, the attributes down to the function's owner, its name,
#: the sources it holds)
FUNCTIONS: Tuple[Tuple[str, Tuple[str, ...], str, Tuple[str, ...]], ...] = (
    ("random", (), "seed", ("python-random",)),
    ("numpy", ("random",), "seed", ("numpy-legacy",)),
    ("tensorflow", ("random",), "set_seed", ("tensorflow-seed",)),
    ("tensorflow", (), "set_random_seed", ("tensorflow-seed",)),
    ("torch", (), "manual_seed", ("torch-seed",)),
    *(
        (
            module,
            ("utils",),
            "set_random_seed",
            ("python-random", "numpy-legacy", "tensorflow-seed", "torch-seed"),
        )
        for module in ("keras", "tf_keras", *TF_KERAS)
    ),
)


def watch(session: Any, found: List[Seeding]) -> None:
    """Add to ``found`` every call of a seeding function from the user's code, in order. One without
    a seed is a draw.

    Each says whether it ``reaches`` the source that is watched, and how many ``draws`` from it came
    before.
    """

    def telling(title: str, reaches: bool) -> Any:
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

    for module, path, name, holds in FUNCTIONS:
        shown = "tf.keras" if module in TF_KERAS else module
        telling_it = telling(".".join((shown,) + path + (name,)), session.spying in holds)
        session.after_import(
            module,
            lambda module=module, path=path, name=name, telling_it=telling_it: session.wrap(
                _owner(module, path), name, telling_it
            ),
        )


def _owner(module: str, path: Tuple[str, ...]) -> Any:
    owner = sys.modules[module]
    for name in path:
        owner = getattr(owner, name, None)  # None where this version does not have it
    return owner

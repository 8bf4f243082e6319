"""The seeds that a script sets itself: where, and after how many draws from the source under study.

A seed may come too late, or seed a different generator than the one that makes runs differ; the
report mentions both.
"""

import sys
from typing import Any, List, Tuple

from detaudit_probes.protocol import Seeding

#: The packages behind ``tf.keras`` from TensorFlow 2.6 on: each has its own names for the same
#: functions.
TF_KERAS = ("keras.api._v2.keras", "tf_keras.api._v2.keras")
#: (module whose import defines it, the attributes down to the function's owner, its name, the
#: sources it pins)
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

    for module, path, name, sources in FUNCTIONS:
        shown = "tf.keras" if module in TF_KERAS else module
        wrapping = wrapper(".".join((shown,) + path + (name,)), session.spying in sources)
        session.after_import(
            module,
            lambda module=module, path=path, name=name, wrapping=wrapping: session.wrap(
                _owner(module, path), name, wrapping
            ),
        )


def _owner(module: str, path: Tuple[str, ...]) -> Any:
    owner = sys.modules[module]
    for name in path:
        owner = getattr(owner, name, None)  # None if this version lacks it
    return owner

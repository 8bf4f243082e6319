"""The known recipes against irreproducible training, from weakest to strongest: the ladder's rungs.

Each rung is a list of pins, so its lines to paste are those that the sources declare.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from detaudit_probes.declare import Pin

from detaudit.core.condition import Condition


@dataclass(frozen=True)
class Known:
    """A recipe that people use: ``pins`` in the order in which they are applied."""

    id: str
    title: str
    pins: tuple[str, ...]


RUNGS = (
    Known("none", "nothing", ()),
    Known(
        "tutorial-2017",
        "the 2017 tutorial: NumPy's seed and the backend's",
        ("numpy-legacy", "tensorflow-seed", "torch-seed"),
    ),
    Known("set-random-seed", "keras.utils.set_random_seed", ("keras-seed",)),
    Known("op-determinism", "+ op determinism", ("keras-seed", "op-determinism")),
    Known("hash-seed", "+ PYTHONHASHSEED", ("keras-seed", "op-determinism", "hash-seed")),
    # Only TensorFlow 1 has the next pin. There, one thread is not a rung of its own: with it, runs
    # that match on one version of Keras differ on another, and too rarely for the few steps of this
    # ladder.
    Known(
        "ordered-updates",
        "+ ordered updates",
        ("keras-seed", "op-determinism", "hash-seed", "ordered-updates"),
    ),
    Known(
        "one-thread",
        "+ one thread",
        ("keras-seed", "op-determinism", "hash-seed", "ordered-updates", "one-thread"),
    ),
)


def rungs(known: Mapping[str, Pin]) -> tuple[Known, ...]:
    """Return the rungs with those of their pins that are known, on the present backend; one that
    adds nothing is left out.
    """
    found: list[Known] = []
    for rung in RUNGS:
        # If Keras has no call that seeds everything, the single seeds replace it.
        seeds = RUNGS[1].pins if "keras-seed" in rung.pins and "keras-seed" not in known else ()
        pins = tuple(name for name in (*seeds, *rung.pins) if name in known)
        if not found or pins != found[-1].pins:
            found.append(replace(rung, pins=pins))
    return tuple(found)


def includes(stronger: Known, weaker: Known, known: Mapping[str, Pin]) -> bool:
    """Whether the ``stronger`` recipe pins every source that the ``weaker`` one pins, and more."""
    return _pinned_sources(weaker, known) < _pinned_sources(stronger, known)


def _pinned_sources(rung: Known, known: Mapping[str, Pin]) -> set[str]:
    return {source for pin in rung.pins for source in known[pin].sources}


def condition(rung: Known, base: Condition, known: Mapping[str, Pin], model: str) -> Condition:
    """Return the condition of a training as a user writes it, with Keras' own defaults and nothing
    but the rung's pins.
    """
    recipe = Condition(base.backend, base.device, model, base.seed)
    for pin in rung.pins:
        recipe = recipe.with_pin(known[pin])
    return recipe


def lines(rung: Known, known: Mapping[str, Pin], backend: str, seed: int) -> tuple[str, ...]:
    """Return the rung as lines to paste at the top of a script: imports first, each once."""
    found = [
        line.format(seed=seed) for name in rung.pins for line in pin_lines(known[name], backend)
    ]
    unique = list(dict.fromkeys(found))
    imports = [line for line in unique if line.startswith("import ")]
    return (*imports, *(line for line in unique if line not in imports))


def pin_lines(pin: Pin, backend: str) -> tuple[str, ...]:
    """Return the lines of one pin on one backend; ``{seed}`` stands for the seed."""
    return pin.lines.get(backend) or pin.lines.get("*") or ()


def environment(rung: Known, known: Mapping[str, Pin]) -> tuple[tuple[str, str], ...]:
    """Return the variables that must be set before the script starts."""
    return tuple(item for name in rung.pins for item in known[name].environment.items())

"""Counts of the draws that layers of trained models made from generators, for a source's
``count_uses``.

Keras 3 keeps a layer's random state in the layer: a random initializer stores whether it was given
a seed (``keras/src/initializers/random_initializers.py``), and each ``SeedGenerator`` counts its
draws in the second element of its state (``keras/src/random/seed_generator.py``). If a framework
keeps none of this, the counts are 0.
"""

from typing import Any, Iterator, List, Tuple


def of_trial(trial: Any) -> Iterator[Any]:
    """Return every layer of every model that the trial trained, each once, including the layers
    inside layers.
    """
    seen = set()
    for fitted in trial.fitted:
        flatten = getattr(fitted.model, "_flatten_layers", None)
        for layer in flatten() if flatten is not None else fitted.model.layers:
            if id(layer) not in seen:
                seen.add(id(layer))
                yield layer


def is_a(layer: Any, kinds: Tuple[str, ...]) -> bool:
    """Whether the layer's class, or one of its base classes, has one of these names, in any
    version.
    """
    return any(ancestor.__name__ in kinds for ancestor in type(layer).__mro__)


def unseeded_initializers(layer: Any) -> List[Any]:
    """Return the random initializers of a built layer without a given seed: each drew a seed when
    the layer was built.
    """
    if not getattr(layer, "weights", None):
        return []
    return [
        value
        for name, value in vars(layer).items()
        if name.endswith("_initializer")
        and getattr(value, "_init_seed", getattr(value, "seed", 0)) is None
    ]


def unseeded_draws(trial: Any, kinds: Tuple[str, ...]) -> int:
    """Return how often layers of these kinds drew from generators without a given seed."""
    return sum(
        _drawn(trial, generator)
        for layer in of_trial(trial)
        if is_a(layer, kinds)
        for generator in getattr(layer, "_seed_generators", ())
        if getattr(generator, "_initial_seed", 0) is None
    )


def _drawn(trial: Any, generator: Any) -> int:
    return int(trial.backend.read(generator.state)[1])

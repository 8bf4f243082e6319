"""What the layers of trained models drew from the generators: counts for a source's ``see``.

Keras 3 keeps a layer's random state in the layer: a random initializer remembers whether it was
given a seed (``keras/src/initializers/random_initializers.py``), and each ``SeedGenerator`` counts
its draws in the second element of its state (``keras/src/random/seed_generator.py``). Where a
framework keeps none of it, the counts are 0.
"""

from typing import Any, Iterator, List, Tuple


def of_trial(trial: Any) -> Iterator[Any]:
    """Every layer of every model that the trial trained, each once, the layers inside layers
    included.
    """
    seen = set()
    for fitted in trial.fitted:
        flatten = getattr(fitted.model, "_flatten_layers", None)
        for layer in flatten() if flatten is not None else fitted.model.layers:
            if id(layer) not in seen:
                seen.add(id(layer))
                yield layer


def is_a(layer: Any, kinds: Tuple[str, ...]) -> bool:
    """Whether the layer's class, or one that it derives from, has one of these names, in whatever
    version.
    """
    return any(ancestor.__name__ in kinds for ancestor in type(layer).__mro__)


def unseeded_initializers(layer: Any) -> List[Any]:
    """The random initializers of a built layer that were given no seed: each drew one when the
    layer was built.
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
    """How often layers of these kinds drew from generators that were given no seed."""
    return sum(
        _drawn(trial, generator)
        for layer in of_trial(trial)
        if is_a(layer, kinds)
        for generator in getattr(layer, "_seed_generators", ())
        if getattr(generator, "_initial_seed", 0) is None
    )


def _drawn(trial: Any, generator: Any) -> int:
    return int(trial.backend.read(generator.state)[1])

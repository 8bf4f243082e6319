"""The flags of JAX's generator: the same seed gives different numbers.

``jax.random`` derives its numbers from keys by Threefry. ``JAX_THREEFRY_PARTITIONABLE`` chooses the
order in which the counter is used (on by default since JAX 0.5), and ``JAX_ENABLE_X64`` makes keys
and draws 64 bits wide. With either, the same keys give different numbers. On JAX, Keras draws
initial weights and the masks of ``Dropout`` in this way, so the flags change the result of a seeded
training; with each of their values, runs match. ``JAX_DEFAULT_PRNG_IMPL=rbg`` does not work with
Keras 3.15, whose keys are Threefry keys: it raises "invalid PRNG key data".
"""

from detaudit_probes.declare import IMPORT, Compare, Link, Pin, Setting, Source
from detaudit_probes.kit import layers
from detaudit_probes.kit.models import Tiny, spread, stack

ID = "jax-generator"

SOURCE = Source(
    id=ID,
    family="generators",
    title="the flags of JAX's generator",
    breaks="The same seed gives different numbers if JAX_THREEFRY_PARTITIONABLE or JAX_ENABLE_X64 differs.",
    backends=("jax",),
    experiment=Compare(
        models=("source:" + ID,),
        settings=(
            Setting("JAX's defaults"),
            Setting(
                "JAX_THREEFRY_PARTITIONABLE=0", environment={"JAX_THREEFRY_PARTITIONABLE": "0"}
            ),
            Setting("JAX_ENABLE_X64=1", environment={"JAX_ENABLE_X64": "1"}),
        ),
    ),
    pins=(
        Pin(
            id="jax-generator-flags",
            sources=(ID,),
            takes_effect=IMPORT,
            environment={"JAX_THREEFRY_PARTITIONABLE": "1", "JAX_ENABLE_X64": "0"},
        ),
    ),
    links=(
        Link("JAX: pseudorandom numbers", "https://docs.jax.dev/en/latest/random-numbers.html"),
        Link("JAX: jax.random and its flags", "https://docs.jax.dev/en/latest/jax.random.html"),
    ),
    advice="Use the same values of both flags everywhere, and state them in bug reports.",
)


def count_uses(trial):
    """Return how often the dropout drew from ``jax.random``."""
    return layers.unseeded_draws(trial, ("Dropout",))


def model(trial):
    import keras

    network = stack(
        (4,), [keras.layers.Dense(16), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
    )
    return Tiny(network, spread(16, 4), spread(16, 1), shuffle=False)

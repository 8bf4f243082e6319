"""The flags of JAX's generator: one seed, other numbers.

``jax.random`` derives its numbers from keys by Threefry. ``JAX_THREEFRY_PARTITIONABLE`` chooses in
which order the counter is spent (on by default since JAX 0.5), ``JAX_ENABLE_X64`` makes keys and
draws 64 bits wide: with either, the same keys give other numbers. Keras draws a ``Dropout``'s masks
and the initial weights so on JAX, so the flags decide what a seeded training ends on; each of their
values repeats itself. ``JAX_DEFAULT_PRNG_IMPL=rbg`` is no choice with Keras 3.15, whose keys are
Threefry's: it raises "invalid PRNG key data".
"""

from detaudit_probes.declare import IMPORT, Compare, Link, Pin, Setting, Source
from detaudit_probes.kit import layers
from detaudit_probes.kit.models import Tiny, spread, stack

ID = "jax-generator"

SOURCE = Source(
    id=ID,
    family="generators",
    title="the flags of JAX's generator",
    breaks="With JAX_THREEFRY_PARTITIONABLE or JAX_ENABLE_X64 set otherwise, a seed gives other numbers.",
    backends=("jax",),
    experiment=Compare(
        models=("source:" + ID,),
        settings=(
            Setting("as JAX chooses"),
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
    advice="Set both flags everywhere, or neither, and say which in a report.",
)


def count_uses(trial):
    """How often the dropout drew from ``jax.random``."""
    return layers.unseeded_draws(trial, ("Dropout",))


def model(trial):
    import keras

    network = stack(
        (4,), [keras.layers.Dense(16), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
    )
    return Tiny(network, spread(16, 4), spread(16, 1), shuffle=False)

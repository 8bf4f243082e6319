"""JAX's persistent compilation cache: a program read from disk or compiled again.

With ``JAX_COMPILATION_CACHE_DIR`` set, a process reads what XLA compiled in an earlier one. Both
should compute the same bits, but need not if another machine filled the cache, because XLA compiles
for the instruction set of that machine (the key of an entry names the platform and the compiler's
version, ``jax/_src/cache_key.py``). The probe trains, discards the compiled programs, and trains
again from the cache.
"""

import os

from detaudit_probes.declare import Compare, Link, Setting, Source
from detaudit_probes.kit import models, training
from detaudit_probes.protocol import own_setting

ID = "jax-cache"
# The event of jax.monitoring for a program read from the cache
HIT = "/jax/compilation_cache/cache_hits"

SOURCE = Source(
    id=ID,
    family="kernels and compilers",
    title="JAX's persistent compilation cache",
    breaks="A program in the cache may have been compiled for another machine.",
    backends=("jax",),
    experiment=Compare(
        models=("mlp", "cnn"),
        settings=(
            Setting("compiled"),
            Setting("from the cache", settings=own_setting(ID, True)),
        ),
        procedure=True,
    ),
    links=(
        Link(
            "JAX: persistent compilation cache",
            "https://docs.jax.dev/en/latest/persistent_compilation_cache.html",
        ),
    ),
    advice="Keep a separate cache for each type of machine.",
)


def train(trial, recorder):
    """Seed, build and fit; with the cache, do so again from the programs that the first training
    stored.
    """
    import jax
    from jax.experimental.compilation_cache import compilation_cache

    if trial.own_setting(ID):
        jax.config.update("jax_compilation_cache_dir", os.path.join(trial.folder, "compiled"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
        compilation_cache.reset_cache()  # JAX looks for a cache only at the first compilation
        _train(trial, recorder)
        jax.clear_caches()
        jax.monitoring.register_event_listener(
            lambda event, **_: trial.count(ID, int(event == HIT))
        )
    _train(trial, recorder)


def _train(trial, recorder):
    import keras

    keras.utils.set_random_seed(trial.seed)
    tiny = models.build(trial.request.model, trial)
    training.compile_model(trial, tiny)
    training.fit(trial, recorder, tiny)

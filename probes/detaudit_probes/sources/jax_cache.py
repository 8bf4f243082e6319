"""JAX's persistent compilation cache: the same program from the disk, or compiled anew.

With ``JAX_COMPILATION_CACHE_DIR`` set, what XLA compiled in one process is read by the next one. It
should compute the same bits; it need not where the cache was filled on another machine, whose
instruction set XLA compiled for (the key of an entry names the platform and the compiler's version,
``jax/_src/cache_key.py``). The probe trains, forgets what is compiled, and trains again from the
cache.
"""

import os

from detaudit_probes.declare import Compare, Link, Setting, Source
from detaudit_probes.kit import models, training
from detaudit_probes.protocol import own_setting

ID = "jax-cache"
HIT = "/jax/compilation_cache/cache_hits"  # what jax.monitoring calls a program that was read

SOURCE = Source(
    id=ID,
    family="kernels and compilers",
    title="JAX's persistent compilation cache",
    breaks="A program from the cache was compiled for another machine.",
    backends=("jax",),
    experiment=Compare(
        models=("mlp", "cnn"),
        settings=(
            Setting("compiled anew"),
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
    advice="Keep a cache for each type of machine.",
)


def train(trial, recorder):
    """Seed, build and fit; with the cache once more, from what the first training left there."""
    import jax
    from jax.experimental.compilation_cache import compilation_cache

    if trial.own_setting(ID):
        jax.config.update("jax_compilation_cache_dir", os.path.join(trial.folder, "compiled"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
        compilation_cache.reset_cache()  # whether there is one is asked once, at the first compilation
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

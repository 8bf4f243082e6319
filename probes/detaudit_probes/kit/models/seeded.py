"""A network without randomness: every initial weight has its own seed, and the rows keep their
order.

An initializer with an integer seed draws from no shared generator
(``keras/src/initializers/random_initializers.py``), so two trainings of such a network differ only
if their input does.
"""

from detaudit_probes.kit.models import Tiny, spread, stack


def dense(units, seed, **choices):
    """Return a ``Dense`` layer whose initial weights have their own seed; constant ones would be
    symmetric.
    """
    import keras

    # Keras 2 has the second of them.
    make = getattr(keras.initializers, "GlorotUniform", None) or keras.initializers.glorot_uniform
    return keras.layers.Dense(units, kernel_initializer=make(seed=seed), **choices)


def build(trial):
    network = stack((1,), [dense(10, seed=1), dense(1, seed=2)])
    return Tiny(network, spread(12, 1), 1 - spread(12, 1), epochs=2, shuffle=False)

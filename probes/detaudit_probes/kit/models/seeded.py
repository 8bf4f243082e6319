"""A network in which nothing is random: every initial weight has a seed of its own, the rows keep
their order.

An initializer with an integer seed draws from no shared generator
(``keras/src/initializers/random_initializers.py``), so two trainings of such a network part only by
what is put into it.
"""

from detaudit_probes.kit.models import Tiny, spread, stack


def dense(units, seed, **choices):
    """A ``Dense`` layer with initial weights of its own seed, not symmetric as constant ones would
    be.
    """
    import keras

    # Keras 2 has the second of them.
    make = getattr(keras.initializers, "GlorotUniform", None) or keras.initializers.glorot_uniform
    return keras.layers.Dense(units, kernel_initializer=make(seed=seed), **choices)


def build(trial):
    network = stack((1,), [dense(10, seed=1), dense(1, seed=2)])
    return Tiny(network, spread(12, 1), 1 - spread(12, 1), epochs=2, shuffle=False)

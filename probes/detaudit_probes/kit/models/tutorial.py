"""The training of the 2017 tutorial: nine points, ten hidden units, a thousand epochs; a hundred
where its components are compared one by one, which takes some two hundred trainings.

https://machinelearningmastery.com/reproducible-results-neural-networks-keras/
"""

from typing import Any

from detaudit_probes.kit.models import Tiny, mlp, seeded, stack


def build(trial: Any) -> Tiny:
    tiny = mlp.build(trial)
    seed, epochs = trial.own_setting("weight-init"), 1000
    if seed is not None:
        epochs = 100
        layers = [seeded.dense(10, seed=2 * seed), seeded.dense(1, seed=2 * seed + 1)]
        tiny = tiny._replace(model=stack((1,), layers))
    return tiny._replace(batch_size=len(tiny.x), epochs=epochs)

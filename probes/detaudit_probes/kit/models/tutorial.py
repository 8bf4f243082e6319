"""The training of the 2017 tutorial: nine points, ten hidden units, a thousand epochs.

https://machinelearningmastery.com/reproducible-results-neural-networks-keras/
"""

from typing import Any

from detaudit_probes.kit.models import Tiny, mlp, seeded, stack


def build(trial: Any) -> Tiny:
    tiny = mlp.build(trial)
    seed = trial.own_setting("weight-init")
    if seed is not None:
        layers = [seeded.dense(10, seed=2 * seed), seeded.dense(1, seed=2 * seed + 1)]
        tiny = tiny._replace(model=stack((1,), layers))
    return tiny._replace(batch_size=len(tiny.x), epochs=1000)

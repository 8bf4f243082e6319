"""The training of the 2017 tutorial: nine points, ten hidden units, a thousand epochs.

https://machinelearningmastery.com/reproducible-results-neural-networks-keras/
"""

from detaudit_probes.kit.models import Tiny, mlp


def build(trial: object) -> Tiny:
    tiny = mlp.build(trial)
    return tiny._replace(batch_size=len(tiny.x), epochs=1000)

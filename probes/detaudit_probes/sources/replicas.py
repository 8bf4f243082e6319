"""Replicas: ``MirroredStrategy`` splits each batch over two devices and adds up the gradients of
the parts.

The probe asks two questions. Do runs on two replicas match? And do they match runs on one device?
The gradient of a batch of four becomes the sum of two gradients of two rows, which adds in a
different order, so a "no" to the second question is expected and not a fault.

With Keras 3.15 on TensorFlow 2.21, batches that can be halved end with weights that differ by
rounding only, if at all (attention: 7e-7; the tutorial's network on eight points: equal). A last
batch that cannot be halved weighs its rows differently (nine points: 2e-4). The probe tries a model
of each kind. Two logical devices of one CPU stand in for two GPUs, so the order of a GPU's own
all-reduce (NCCL) is not tried.
"""

from detaudit_probes.declare import Compare, Link, Setting, Source
from detaudit_probes.kit import models, training
from detaudit_probes.protocol import Settings

ID = "replicas"

SOURCE = Source(
    id=ID,
    family="parallel arithmetic",
    title="replicas (MirroredStrategy)",
    breaks="The gradients of a split batch are added up in a different order than those of a whole batch.",
    # A strategy's variables are on several devices, so the step returns nothing beyond its usual
    # results.
    experiment=Compare(
        models=("mlp", "attention"),
        settings=(
            Setting("one device"),
            Setting("two replicas", settings=Settings(logical_cpus=2)),
        ),
        procedure=True,
        recorded=False,
    ),
    links=(
        Link(
            "tf.distribute.MirroredStrategy",
            "https://www.tensorflow.org/api_docs/python/tf/distribute/MirroredStrategy",
        ),
        Link(
            "Distributed training with Keras",
            "https://www.tensorflow.org/tutorials/distribute/keras",
        ),
    ),
    advice="Compare runs with the same number of replicas, and state that number in bug reports.",
)


def train(trial, recorder):
    """Run the standard training, under a strategy over the logical CPU devices if there are
    several.
    """
    import tensorflow as tf

    count = trial.settings.logical_cpus or 1
    devices = ["CPU:%d" % number for number in range(count)]
    strategy = (
        tf.distribute.MirroredStrategy(devices) if count > 1 else tf.distribute.get_strategy()
    )
    with strategy.scope():
        tiny = models.build(trial.request.model, trial)
        training.compile_model(trial, tiny)
    training.fit(trial, recorder, tiny)
    trial.count(ID, strategy.num_replicas_in_sync if count > 1 else 0)

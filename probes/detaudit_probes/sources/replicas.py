"""Replicas: ``MirroredStrategy`` splits each batch over two devices and adds the gradients of its
parts.

Two things are asked. Does a training on two replicas repeat itself? And does it give the bits of
one device? The gradient of a batch of four becomes the sum of two gradients of two, which adds in
another order, so an answer of no to the second is to be expected, and not a fault. With Keras 3.15
on TensorFlow 2.21, batches that can be halved end on weights that differ by rounding alone, if at
all (attention: 7e-7; the tutorial's network on eight points: equal); a last batch that cannot be
halved weighs its rows otherwise (on nine points: 2e-4). One model of each kind is tried. Two
logical devices of one CPU stand for two GPUs; the order of a GPU's own all-reduce (NCCL) is not
tried by them.
"""

from detaudit_probes.declare import Compare, Link, Setting, Source
from detaudit_probes.kit import models, training
from detaudit_probes.protocol import Settings

ID = "replicas"

SOURCE = Source(
    id=ID,
    family="parallel arithmetic",
    title="replicas (MirroredStrategy)",
    breaks="Gradients of parts of a batch are added up in another order than those of the whole.",
    # A strategy's variables live on several devices: the step is not asked for more than it
    # returns.
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
    advice="Say in a report on how many replicas a model was trained; compare runs of equal numbers.",
)


def train(trial, recorder):
    """The standard training, under a strategy over the logical CPU devices where there are
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

"""Inter-op threads: independent operations of one graph run at the same time.

TensorFlow runs the operations of a ``tf.function`` whose inputs are ready on the threads of its
inter-op pool (one per core by default; ``TF_NUM_INTEROP_THREADS``, or
``set_inter_op_parallelism_threads`` before the runtime starts). Operations that share nothing give
the same bits in any order. So this source makes runs differ only if two operations share state:
variables that are updated and read in one step (TensorFlow 1 with Keras 2: ``update-race``), or
random operations in the loop of a recurrent layer (keras-team/keras#17612: 14 of 1000 runs). The
probe's own model has recurrent layers with ``recurrent_dropout`` in parallel branches.

On TensorFlow 2.3, its runs differ with one thread as well: 5 of 5 processes of a script without
detaudit ended with different weights, with all seeds set; executed eagerly, 5 of 5 matched.
"""

from detaudit_probes.backends import TF_KERAS
from detaudit_probes.declare import Compare, Link, Setting, Source
from detaudit_probes.kit.models import Tiny, spread
from detaudit_probes.protocol import Settings

ID = "inter-op-threads"

COUNTS = (1, 8)
OWN = "source:" + ID
SETTINGS = tuple(
    Setting(
        "%d thread%s" % (count, "s" if count > 1 else ""),
        without=(ID,),
        settings=Settings(inter_op_threads=count, intra_op_threads=1),
    )
    for count in COUNTS
)

SOURCE = Source(
    id=ID,
    family="parallel arithmetic",
    title="inter-op threads",
    breaks="Operations that run at the same time and share a variable or a generator race with each other.",
    backends=("tensorflow",) + TF_KERAS,
    experiment=Compare(models=(OWN,), settings=SETTINGS),
    links=(
        Link(
            "tf.config.threading.set_inter_op_parallelism_threads",
            "https://www.tensorflow.org/api_docs/python/tf/config/threading/set_inter_op_parallelism_threads",
        ),
        Link(
            "Keras issue 17612: a recurrent layer that is not reproducible",
            "https://github.com/keras-team/keras/issues/17612",
        ),
        Link("TensorFlow issue 33942", "https://github.com/tensorflow/tensorflow/issues/33942"),
    ),
    advice="On TensorFlow 2.12 and 2.15, runs differed with several inter-op threads and matched with one: "
    "tf.config.threading.set_inter_op_parallelism_threads(1). On TensorFlow 2.3, they also differed with one "
    "thread and matched with model.compile(run_eagerly=True) (5 of 5).",
)


def count_uses(trial):
    import tensorflow as tf

    return (
        tf.config.threading.get_inter_op_parallelism_threads() or trial.backend.intra_op_threads()
    )


def model(trial):
    import keras

    inputs = keras.Input((8, 4))
    branches = [
        keras.layers.SimpleRNN(8, dropout=0.2, recurrent_dropout=0.2)(inputs) for _ in range(2)
    ]
    outputs = keras.layers.Dense(1)(keras.layers.Add()(branches))
    return Tiny(
        keras.Model(inputs, outputs), spread(32, 8, 4), spread(32, 1), batch_size=16, epochs=2
    )

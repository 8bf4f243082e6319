"""Eager execution: operations run one by one instead of as a graph.

``compile(run_eagerly=True)``, or ``tf.config.run_functions_eagerly(True)`` for a whole process, is
the usual way to debug a training step. TensorFlow rewrites and fuses the operations of a graph
(Grappler, oneDNN's fusions) but not operations that run one by one, so an eager training may end
with different bits than the compiled one. On a CPU, a CNN and an attention block do; a small dense
network does not.
"""

from detaudit_probes.backends import TF_KERAS
from detaudit_probes.declare import Compare, Link, Setting, Source
from detaudit_probes.protocol import Settings

ID = "eager"

SOURCE = Source(
    id=ID,
    family="kernels and compilers",
    title="eager execution",
    breaks="TensorFlow rewrites and fuses the operations of a graph; operations that run eagerly are not.",
    backends=("tensorflow",) + TF_KERAS,
    experiment=Compare(
        models=("cnn", "attention"),
        settings=(
            Setting("run_eagerly=False", settings=Settings(run_eagerly=False)),
            Setting("run_eagerly=True", settings=Settings(run_eagerly=True)),
        ),
    ),
    links=(
        Link(
            "Model.compile: run_eagerly",
            "https://keras.io/api/models/model_training_apis/#compile-method",
        ),
        Link(
            "TensorFlow graph optimization with Grappler",
            "https://www.tensorflow.org/guide/graph_optimization",
        ),
    ),
    advice="Compare eager runs with eager runs only. If a bug vanishes with run_eagerly=True, suspect this source.",
)


def count_uses(trial):
    # Compiled models whose run_eagerly Keras reports as true (training.compile_model)
    return trial.counts.get(ID, 0)

"""Eager execution: each operation by itself in place of one graph.

``compile(run_eagerly=True)``, or ``tf.config.run_functions_eagerly(True)`` for a whole process, is
how people debug a training step. TensorFlow rewrites and fuses the operations of a graph (Grappler,
oneDNN's fusions) and cannot do that with single operations, so a debugged training may end on other
bits than the one that was to be explained. A CNN and an attention block move on a CPU; a small
dense network does not.
"""

from detaudit_probes.declare import TF_KERAS, Compare, Link, Setting, Source
from detaudit_probes.protocol import Settings

ID = "eager"

SOURCE = Source(
    id=ID,
    family="kernels and compilers",
    title="eager execution",
    breaks="A graph's operations are rewritten and fused before they run; single operations are not.",
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
    advice="Compare eager runs with eager runs only; a bug that vanishes under run_eagerly may be this.",
)


def count_uses(trial):
    # Compiled models that Keras said it will run eagerly (training.compile_model)
    return trial.counts.get(ID, 0)

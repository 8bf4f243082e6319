"""The embedding race: several threads add rows with the same index to one variable.

The gradient of an embedding is sparse: it has a row for each token that was read, often with the
same index. SGD without momentum, Adagrad and RMSprop apply it with ``ResourceScatterSub`` or
``ResourceScatterAdd``, whose CPU kernel splits the rows over the intra-op threads. If two rows have
the same index, the order of their additions depends on which thread comes first (TensorFlow 2.x;
with all seeds set, 4 of 4 runs differ with two threads). Adam, AdamW, Lion and SGD with momentum
convert the gradient to a dense one first, and their runs match. So do runs with one intra-op thread
or op determinism.

The probe trains the text model: 40,000 rows, 50 indices, 8 threads.
"""

from detaudit_probes.backends import TF_KERAS
from detaudit_probes.declare import InScript, Link, Pin, Source, Unpin
from detaudit_probes.protocol import Settings
from detaudit_probes.sources import op_determinism

ID = "sparse-update"
MOMENTUM = "sgd-momentum"
DENSE = "dense-update"

SOURCE = Source(
    id=ID,
    family="parallel arithmetic",
    title="the sparse update of an embedding",
    breaks="Threads add rows with the same index to one variable in a varying order.",
    backends=("tensorflow",) + TF_KERAS,
    experiment=Unpin(
        models=("text",),
        race=True,
        settings=Settings(intra_op_threads=8, epochs=2),
        pins=("op-determinism", "one-thread", MOMENTUM),
    ),
    pins=(
        Pin(
            id=MOMENTUM,
            sources=(ID,),
            settings=Settings(momentum=0.9),
            lines={
                "*": (
                    "optimizer = keras.optimizers.SGD(momentum=0.9)  # or Adam: their update is dense",
                )
            },
            note="changes the training, compared with plain SGD",
        ),
        Pin(
            id=DENSE,
            sources=(ID,),
            note="applied from outside by detaudit run only: rows with the same index are added up first",
        ),
    ),
    links=(
        Link(
            "tf.config.experimental.enable_op_determinism",
            "https://www.tensorflow.org/api_docs/python/tf/config/experimental/enable_op_determinism",
        ),
        Link(
            "tf.Variable.scatter_sub",
            "https://www.tensorflow.org/api_docs/python/tf/Variable#scatter_sub",
        ),
    ),
    quick=True,
    script=InScript(DENSE, rank=130, may_fail=True, race=True, edits=op_determinism.EDITS),
)


def start_counting(trial):
    """Count the sparse updates of variables that are built into the training step."""
    from tensorflow.python.ops.resource_variable_ops import BaseResourceVariable

    for name in ("scatter_sub", "scatter_add"):
        setattr(BaseResourceVariable, name, _counted(trial, getattr(BaseResourceVariable, name)))


def _counted(trial, scatter):
    def counted(variable, rows, *arguments, **named):
        trial.count(ID)
        return scatter(variable, rows, *arguments, **named)

    return counted


def pin_script(session, name):
    """Add up the rows of each index before the variable is updated; for this pin in a user's
    process only.
    """
    if name == DENSE:
        session.after_import("tensorflow", lambda: _scatter(session, lambda: None, dense=True))


def touch(session):
    session.after_import("tensorflow", lambda: _scatter(session, lambda: session.drew(ID)))


def _scatter(session, met, dense=False):
    """Wrap the variable's methods. Keras 2 before 2.11 calls the operations directly and is not
    observed.
    """
    import tensorflow as tf
    from tensorflow.python.ops import resource_variable_ops

    # Since TensorFlow 1.14
    BaseResourceVariable = getattr(resource_variable_ops, "BaseResourceVariable", None)

    def counting(assign):
        def wrapper(given):
            def scatter(variable, rows, *arguments, **named):
                met()
                if dense:
                    return getattr(variable, assign)(tf.convert_to_tensor(rows))
                return given(variable, rows, *arguments, **named)

            return scatter

        return wrapper

    session.wrap(BaseResourceVariable, "scatter_sub", counting("assign_sub"))
    session.wrap(BaseResourceVariable, "scatter_add", counting("assign_add"))

"""Keras 2's updates on TensorFlow 1: one variable is written while another's new value is computed
from it.

A step's graph computes Adam's moments, its learning rate from the count of steps, and the new
weights, and assigns each value as soon as it is known. Nothing in the graph requires that a
variable is read before it is written (``keras/optimizers.py``, ``get_updates``). On two cores, runs
of the 2017 tutorial differ whatever is seeded (5 of 5 processes, on both versions below); a short
training often matches all the same.

With one thread, runs of Keras 2.0.3 on TensorFlow 1.1 matched (5 of 5), and runs of Keras 2.3.1 on
TensorFlow 1.15 did not. If every new value is computed before any is assigned, both matched on
eight threads (6 of 6 processes; without this, 6 of 6 differ). Under ``tf.keras`` and on Theano,
processes of the tutorial matched once its generators were pinned
(docs/explanation/tutorial-2017.md).
"""

import sys

from detaudit_probes.declare import Edit, InScript, Link, Pin, Source, Unpin
from detaudit_probes.kit.models import mlp
from detaudit_probes.protocol import Settings

ID = "update-race"
PIN = "ordered-updates"

#: Users paste these lines; :func:`pin` runs them unchanged.
LINES = (
    "import keras",
    "import keras.backend as K",
    "import tensorflow as tf",
    "def in_order(optimizer):",
    "    # Every new value is computed before any variable is written.",
    "    original, update, add = optimizer.get_updates, K.update, K.update_add",
    "    def get_updates(self, *args, **kwargs):",
    "        K.update = lambda x, value: (update, x, value)",
    "        K.update_add = lambda x, value: (add, x, value)",
    "        try:",
    "            updates = original(self, *args, **kwargs)",
    "        finally:",
    "            K.update, K.update_add = update, add",
    "        is_pair = lambda item: type(item) is tuple and len(item) == 2",
    "        updates = [(update,) + item if is_pair(item) else item for item in updates]",
    "        deferred = [item for item in updates if type(item) is tuple]",
    "        values = [value for kind, _, value in deferred if kind is update]",
    "        with tf.control_dependencies(values):",
    "            self.updates = [item[0](*item[1:]) if item in deferred else item",
    "                            for item in updates]",
    "        return self.updates",
    "    optimizer.get_updates = get_updates",
    "for optimizer in (keras.optimizers.Adam, keras.optimizers.SGD):",
    "    in_order(optimizer)  # the optimizers you use, before compile",
)

SOURCE = Source(
    id=ID,
    family="parallel arithmetic",
    title="the optimizer's updates on TensorFlow 1",
    breaks="One thread writes a variable while another thread computes with it.",
    backends=("tensorflow1",),
    experiment=Unpin(
        models=("source:" + ID,),
        race=True,
        settings=Settings(inter_op_threads=8, intra_op_threads=1),
        pins=(PIN, "one-thread"),
    ),
    pins=(Pin(id=PIN, in_base=100, sources=(ID,), lines={"tensorflow1": LINES}),),
    links=(
        Link(
            "Keras issue 2280: reproducible results",
            "https://github.com/keras-team/keras/issues/2280",
        ),
        Link(
            "tf.control_dependencies",
            "https://www.tensorflow.org/api_docs/python/tf/control_dependencies",
        ),
    ),
    advice="Order the updates, or train with one thread if that works in your version.",
    script=InScript(
        PIN,
        rank=140,
        may_fail=True,
        race=True,
        sites=False,
        edits=(Edit("insert", LINES[1:], after=("keras",)),),
    ),
)


def pin(trial):
    exec("\n".join(LINES), {})  # exactly the lines that are printed


def pin_script(session, name):
    session.after_import(
        "keras",
        lambda: _each(
            session, lambda kind: exec("\n".join(LINES[:-2]) + "\nin_order(kind)", {"kind": kind})
        ),
    )


def touch(session):
    """Count the optimizers that create their updates while Keras trains with TensorFlow 1."""

    def wrapper(given):
        def get_updates(optimizer, *arguments, **named):
            session.drew(ID)
            return given(optimizer, *arguments, **named)

        return get_updates

    session.after_import(
        "keras", lambda: _each(session, lambda kind: session.wrap(kind, "get_updates", wrapper))
    )


def _each(session, change):
    """Apply ``change`` to every optimizer of Keras 2 that creates its own updates; to none under
    another Keras or backend.
    """
    import keras

    tensorflow = sys.modules.get("tensorflow")
    if (
        keras.__version__.startswith("2.")
        and tensorflow is not None
        and tensorflow.__version__.startswith("1.")
    ):
        # Each has two names, such as Adam and adam
        kinds = {id(one): one for one in vars(keras.optimizers).values()}
        for kind in kinds.values():
            if isinstance(kind, type) and "get_updates" in vars(kind):
                change(kind)


def count_uses(trial):
    """Return how many trainings wrote each variable as soon as its new value was known."""
    return 0 if PIN in trial.request.pins else len(trial.fitted)


def model(trial):
    return mlp.build(trial)._replace(batch_size=9, epochs=100)  # the tutorial's

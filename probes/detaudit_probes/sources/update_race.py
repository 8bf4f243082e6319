"""Keras 2's updates on TensorFlow 1: a variable is written while another's new value is computed
from it.

A step's graph computes Adam's moments, its learning rate from the count of steps, and the new
weights, and assigns each of them as soon as it is known: nothing in the graph says that a variable
must be read before it is written (``keras/optimizers.py``, ``get_updates``). On two cores runs of
the 2017 tutorial differ, whatever is seeded (5 of 5 processes, on both versions below); a short
training often matches all the same. With one thread Keras 2.0.3 on TensorFlow 1.1 was seen to
repeat itself (5 of 5), Keras 2.3.1 on TensorFlow 1.15 was not. With every new value computed before
any is assigned, both did on eight threads (6 of 6 processes; without, 6 of 6 differ). Under
``tf.keras`` and on Theano processes of the tutorial matched once its generators were pinned
(docs/explanation/tutorial-2017.md).
"""

import sys

from detaudit_probes.declare import Edit, InScript, Link, Pin, Source, Unpin
from detaudit_probes.kit.models import mlp
from detaudit_probes.protocol import Settings

ID = "update-race"
PIN = "ordered-updates"

#: Pasted by users, and run as they stand by :func:`pin`.
LINES = (
    "import keras",
    "import keras.backend as K",
    "import tensorflow as tf",
    "def in_order(optimizer):",
    "    # Every new value is computed before any variable is written.",
    "    given, update, add = optimizer.get_updates, K.update, K.update_add",
    "    def get_updates(self, *args, **kwargs):",
    "        K.update = lambda x, value: (update, x, value)",
    "        K.update_add = lambda x, value: (add, x, value)",
    "        try:",
    "            made = given(self, *args, **kwargs)",
    "        finally:",
    "            K.update, K.update_add = update, add",
    "        pairs = lambda one: type(one) is tuple and len(one) == 2",
    "        made = [(update,) + one if pairs(one) else one for one in made]",
    "        held = [one for one in made if type(one) is tuple]",
    "        new = [value for kind, _, value in held if kind is update]",
    "        with tf.control_dependencies(new):",
    "            self.updates = [one[0](*one[1:]) if one in held else one",
    "                            for one in made]",
    "        return self.updates",
    "    optimizer.get_updates = get_updates",
    "for optimizer in (keras.optimizers.Adam, keras.optimizers.SGD):",
    "    in_order(optimizer)  # those that you use, before compile",
)

SOURCE = Source(
    id=ID,
    family="parallel arithmetic",
    title="the optimizer's updates on TensorFlow 1",
    breaks="A variable is written while another thread computes from it.",
    backends=("tensorflow1",),
    experiment=Unpin(
        models=("source:" + ID,),
        race=True,
        settings=Settings(inter_op_threads=8, intra_op_threads=1),
        pins=(PIN, "one-thread"),
    ),
    pins=(Pin(id=PIN, sources=(ID,), lines={"tensorflow1": LINES}),),
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
    advice="Order the updates, or train with one thread where that is seen to hold.",
    script=InScript(
        PIN, race=True, sites=False, edits=(Edit("insert", LINES[1:], after=("keras",)),)
    ),
)


def pin(trial):
    exec("\n".join(LINES), {})  # what is printed is what was tried


def pin_script(session, name):
    session.after_import(
        "keras",
        lambda: _each(
            session, lambda kind: exec("\n".join(LINES[:-2]) + "\nin_order(kind)", {"kind": kind})
        ),
    )


def touch(session):
    """How many optimizers make their updates while TensorFlow 1 is what Keras trains with."""

    def wrapper(given):
        def get_updates(optimizer, *arguments, **named):
            session.drew(ID)
            return given(optimizer, *arguments, **named)

        return get_updates

    session.after_import(
        "keras", lambda: _each(session, lambda kind: session.wrap(kind, "get_updates", wrapper))
    )


def _each(session, change):
    """Every optimizer of Keras 2 that makes its own updates; under another Keras, or backend, there
    is none.
    """
    import keras

    tensorflow = sys.modules.get("tensorflow")
    if (
        keras.__version__.startswith("2.")
        and tensorflow is not None
        and tensorflow.__version__.startswith("1.")
    ):
        # Each has a second name: Adam, adam
        kinds = {id(one): one for one in vars(keras.optimizers).values()}
        for kind in kinds.values():
            if isinstance(kind, type) and "get_updates" in vars(kind):
                change(kind)


def count_uses(trial):
    """How many trainings wrote their variables as each new value came."""
    return 0 if PIN in trial.request.pins else len(trial.fitted)


def model(trial):
    return mlp.build(trial)._replace(batch_size=9, epochs=100)  # the tutorial's

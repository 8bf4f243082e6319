"""TensorFlow's global seed: on Keras 3 it decides the order in which ``fit`` shuffles.

Without ``tf.random.set_seed``, every stateful random operation takes its seed from the operating
system (``tensorflow/core/util/guarded_philox_random.cc``). On the TensorFlow backend,
``fit(shuffle=True)`` shuffles with ``tf.random.shuffle`` inside its ``tf.data`` pipeline
(``keras/src/trainers/data_adapters/array_data_adapter.py``), so only this seed pins the order of
the batches. As a side effect, with the seed set, every epoch uses the same order.
"""

from detaudit_probes.backends import TF_KERAS
from detaudit_probes.declare import Edit, InScript, Link, Pin, Source, Unpin

ID = "tensorflow-seed"

SOURCE = Source(
    id=ID,
    family="generators",
    title="TensorFlow's global seed",
    breaks="fit shuffles its batches with an unseeded tf.random.shuffle.",
    backends=("tensorflow", "tensorflow1") + TF_KERAS,
    experiment=Unpin(models=("mlp",)),
    pins=(
        Pin(
            id=ID,
            in_base=40,
            sources=(ID, "tfdata-shuffle"),
            lines={
                **dict.fromkeys(
                    ("tensorflow",) + TF_KERAS,
                    ("import tensorflow as tf", "tf.random.set_seed({seed})"),
                ),
                "tensorflow1": ("import tensorflow as tf", "tf.set_random_seed({seed})"),
            },
            note="with the global seed set, fit shuffles in the same order in every epoch",
        ),
    ),
    links=(
        Link("tf.random.set_seed", "https://www.tensorflow.org/api_docs/python/tf/random/set_seed"),
        Link(
            "TensorFlow issue 19238: operation seeds depend on the number of earlier operations",
            "https://github.com/tensorflow/tensorflow/issues/19238",
        ),
    ),
    quick=True,
    seeders=(("tensorflow", "random.set_seed"), ("tensorflow", "set_random_seed")),
    script=InScript(
        ID,
        rank=40,
        edits=(
            Edit("rename", calls=("from_non_deterministic_state",), form="from_seed({seed})"),
            Edit("insert", ("tf.random.set_seed({seed})",), after=("tensorflow",)),
            Edit("insert", ("keras.utils.set_random_seed({seed})",), after=("keras",)),
            Edit("insert", ("import tensorflow", "tensorflow.random.set_seed({seed})")),
        ),
    ),
)


def pin(trial):
    trial.backend.seed(trial.seed)


def count_uses(trial):
    return trial.backend.unseeded_draws()


def pin_script(session, name):
    session.after_import("tensorflow", lambda: _seed(session))


def _seed(session):
    import tensorflow as tf

    # TensorFlow 1: the seed of a graph
    if not hasattr(tf, "random") or not hasattr(tf.random, "set_seed"):
        tf.set_random_seed(session.seed)
        return
    tf.random.set_seed(session.seed)
    _without_state(
        session,
        lambda: None,
        lambda kind, *alg, **named: kind.from_seed(session.seed, *alg, **named),
    )


def touch(session):
    session.after_import("tensorflow", lambda: _met(session, lambda: session.drew(ID)))


def _without_state(session, met, make=None):
    """Call ``met`` for every ``tf.random.Generator`` whose state comes from the operating system;
    ``make`` creates its replacement.
    """
    import tensorflow as tf

    if not hasattr(getattr(tf, "random", None), "Generator"):  # since TensorFlow 2.2
        return
    given = tf.random.Generator.from_non_deterministic_state.__func__

    def from_non_deterministic_state(kind, *alg, **named):
        met()
        return make(kind, *alg, **named) if make is not None else given(kind, *alg, **named)

    tf.random.Generator.from_non_deterministic_state = classmethod(from_non_deterministic_state)


def _met(session, met):
    """Call ``met`` for every random operation that is built with neither its own seed nor the
    global one.
    """
    _without_state(session, met)
    from tensorflow.python.framework import random_seed

    def wrapper(given):
        def get_seed(op_seed):
            if op_seed is None and _global_seed() is None:
                met()
            return given(op_seed)

        return get_seed

    session.wrap(random_seed, "get_seed", wrapper)


def _global_seed():
    """Return the global seed: TensorFlow 2 has one per process, TensorFlow 1 one per graph."""
    import tensorflow as tf

    if tf.__version__.startswith("1."):
        return tf.get_default_graph().seed
    from tensorflow.python.eager import context

    return context.global_seed()

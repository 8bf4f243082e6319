"""``Dataset.shuffle`` without a seed uses TensorFlow's global seed or, without that, a random one.

``Dataset.shuffle(buffer_size)`` derives its two seeds from the global seed and from its argument
(``tensorflow/python/data/util/random_seed.py``). If neither is given, the seeds are random. With
the global seed or the argument, runs match: each epoch has its own order
(``reshuffle_each_iteration``), which is the same in both runs.
"""

from detaudit_probes.backends import TF_KERAS
from detaudit_probes.declare import Link, Pin, Source, Unpin
from detaudit_probes.protocol import Settings

ID = "tfdata-shuffle"
PIN = "shuffle-seed"


def _on(model):
    return Unpin(
        models=(model,), feed=True, settings=Settings(epochs=2), pins=(PIN, "tensorflow-seed")
    )


SOURCE = Source(
    id=ID,
    family="order",
    title="tf.data's shuffle without a seed",
    breaks="Dataset.shuffle without a seed and without TensorFlow's global seed shuffles differently in every run.",
    backends=("tensorflow",) + TF_KERAS,
    experiment=_on("mlp"),
    per_backend={
        "tensorflow2": _on("seeded")
    },  # there TensorFlow's seed also decides the initial weights
    pins=(
        Pin(
            id=PIN,
            sources=(ID,),
            lines={"*": ("dataset = dataset.shuffle(buffer_size, seed={seed})",)},
        ),
    ),
    links=(
        Link(
            "tf.data.Dataset.shuffle",
            "https://www.tensorflow.org/api_docs/python/tf/data/Dataset#shuffle",
        ),
        Link("tf.random.set_seed", "https://www.tensorflow.org/api_docs/python/tf/random/set_seed"),
    ),
)


def feed(trial, x, y):
    import tensorflow as tf

    seed = trial.seed if PIN in trial.request.pins else None
    trial.count(ID, len(x))  # the elements that one pass shuffles
    return tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed=seed).batch(4)

"""A random operation in a parallel ``map``: a race decides which element gets which number, even
with seeds set.

Augmentation written with ``tf.random.*`` inside ``Dataset.map(num_parallel_calls=...)`` draws from
one stateful generator in several threads at once. The seed fixes the numbers, but the threads
decide which element gets which number. ``deterministic=True`` does not help, because it keeps the
order of the elements and not of the draws (TensorFlow 2.x; tensorflow/tensorflow#13932, #44491). Op
determinism runs such a map serially. One inter-op thread does not help: ``tf.data`` has its own
threads, one per core.

The probe repeats its rows many times and adds noise to each in a map of eight parallel calls. A
private pool of eight threads lets them race on one core and on a busy machine too.
"""

from detaudit_probes.backends import TF_KERAS
from detaudit_probes.declare import Edit, InScript, Link, Pin, Source, Unpin
from detaudit_probes.kit import batches
from detaudit_probes.protocol import Settings

ID = "tfdata-random-map"
PIN = "serial-map"

CALLS = 8
COPIES = 112  # of each row of the data: 1008 elements per pass over the nine points

SOURCE = Source(
    id=ID,
    family="order",
    title="a random operation in a parallel tf.data map",
    breaks="Parallel calls draw from one generator, so a race decides which element gets which number.",
    backends=("tensorflow",) + TF_KERAS,
    experiment=Unpin(
        models=("mlp",),
        feed=True,
        race=True,
        settings=Settings(epochs=1),
        pins=(PIN, "op-determinism"),
    ),
    pins=(
        Pin(
            id=PIN,
            sources=(ID,),
            lines={
                "*": (
                    "dataset = dataset.map(augment)  # serial; num_parallel_calls only for maps that draw nothing",
                )
            },
            note="alternatively, number the elements (enumerate) and use the numbers as seeds of tf.random.stateless_*",
        ),
    ),
    links=(
        Link("TensorFlow issue 13932", "https://github.com/tensorflow/tensorflow/issues/13932"),
        Link("TensorFlow issue 44491", "https://github.com/tensorflow/tensorflow/issues/44491"),
        Link(
            "Random number generation: stateless operations",
            "https://www.tensorflow.org/guide/random_numbers#stateless_rngs",
        ),
    ),
    script=InScript(
        PIN,
        rank=90,
        may_fail=True,
        race=True,
        edits=(Edit("set", calls=("map", "interleave"), form="num_parallel_calls"),),
    ),
)


def feed(trial, x, y):
    import tensorflow as tf

    def augment(x, y):
        return x + tf.random.normal(tf.shape(x), stddev=0.01), y

    # Only this source's own pin uses the serial form: op determinism must pin the parallel one.
    calls = None if PIN in trial.request.pins else CALLS
    noisy = (
        tf.data.Dataset.from_tensor_slices((x, y))
        .repeat(COPIES)
        .map(augment, num_parallel_calls=calls)
    )
    trial.count(ID, len(x) * COPIES)  # the elements that one pass draws noise for
    return batches.on_threads(noisy.batch(126), CALLS)


def pin_script(session, name):
    session.after_import("tensorflow", lambda: _parallel(session, lambda: None, serial=True))


def touch(session):
    session.after_import("tensorflow", lambda: _parallel(session, lambda: session.drew(ID)))


def _parallel(session, met, serial=False):
    """Call ``met`` if the function of a parallel ``map`` or ``interleave`` draws random numbers.

    TensorFlow's operations ask for a seed when they are built, Keras' layers take one from their
    ``SeedGenerator``.
    """
    from tensorflow.python.framework import random_seed

    drawn = [0]

    def counting(given):
        def draw(*arguments, **named):
            drawn[0] += 1
            return given(*arguments, **named)

        return draw

    def transformed(arguments, call):
        if serial and arguments.get("num_parallel_calls") is not None:
            arguments["num_parallel_calls"] = None
            arguments.pop("deterministic", None)
        before = drawn[0]
        made = call()
        if arguments.get("num_parallel_calls") is not None and drawn[0] > before:
            met()
        return made

    def keras_generators():
        from keras.src.random.seed_generator import SeedGenerator

        session.wrap(SeedGenerator, "next", counting)

    session.after_import("keras.src.random.seed_generator", keras_generators)
    session.wrap(random_seed, "get_seed", counting)
    batches.follow_calls(session, transformed, "map", "interleave")

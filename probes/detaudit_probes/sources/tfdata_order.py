"""``tf.data`` without an order: ``deterministic=False`` hands elements on as they are ready.

A parallel ``map`` or ``interleave`` keeps the order of its elements unless it is told that it need
not, by its argument ``deterministic=False`` or by ``Options.deterministic = False``
(``experimental_deterministic`` in older versions). Guides to performance advise it, and TensorFlow
Datasets sets it by itself for shuffled files that have no seed. Then whichever element is finished
first comes first. Seeds do not reach it. Neither does one inter-op thread: ``tf.data`` runs its
functions on a pool of its own size, one thread a core.

Over elements that all cost the same the order often repeats itself (equal in 4 of 4 runs here),
which proves nothing. So the probe's elements cost unequal work, as pictures of unequal size do:
several shards are interleaved, each row is multiplied up and added to as nothing, on a private pool
of eight threads, which keeps the race going on one core and on a busy machine too.
"""

from detaudit_probes.declare import TF_KERAS, Edit, InScript, Link, Pin, Source, Unpin
from detaudit_probes.kit import batches
from detaudit_probes.protocol import Settings

ID = "tfdata-order"
PIN = "ordered-map"

SHARDS = 8  # interleaved, so that their elements overtake one another
COPIES = 28  # of each row of the data: 252 elements a pass over the nine points
WIDTH = 64  # of the smallest matrix that an element costs; the largest is four times as wide

SOURCE = Source(
    id=ID,
    family="order",
    title="tf.data without an order (deterministic=False)",
    breaks="A parallel map or interleave hands on whichever element is finished first.",
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
                    "options = tf.data.Options()",
                    "options.deterministic = True  # and no deterministic=False in any map or interleave",
                    "dataset = dataset.with_options(options)",
                )
            },
        ),
    ),
    links=(
        Link(
            "tf.data.Options.deterministic",
            "https://www.tensorflow.org/api_docs/python/tf/data/Options",
        ),
        Link(
            "Better performance with the tf.data API",
            "https://www.tensorflow.org/guide/data_performance",
        ),
        Link(
            "tfds.ReadConfig: shuffled files without a seed are read in any order",
            "https://www.tensorflow.org/datasets/api_docs/python/tfds/ReadConfig",
        ),
    ),
    script=InScript(
        PIN,
        race=True,
        edits=(
            Edit("set", calls=("map", "interleave", "batch"), form="deterministic", value="True"),
        ),
    ),
)


def feed(trial, x, y):
    import tensorflow as tf

    # Only its own pin writes the ordered form: op determinism must hold the unordered one by
    # itself.
    ordered = PIN in trial.request.pins
    rows = tf.data.Dataset.from_tensor_slices((x, y)).repeat(COPIES).enumerate()

    def shard(number):
        return rows.shard(SHARDS, number).map(
            _costly, num_parallel_calls=SHARDS, deterministic=ordered
        )

    mixed = tf.data.Dataset.range(SHARDS).interleave(
        shard, cycle_length=SHARDS, num_parallel_calls=SHARDS, deterministic=ordered
    )
    trial.count(ID, len(x) * COPIES)  # the elements that one pass maps
    return batches.on_threads(mixed.batch(36), SHARDS)


def _costly(number, row):
    """The row itself, after work that differs from element to element: a product of zeros is
    added.
    """
    import tensorflow as tf

    x, y = row
    width = WIDTH + WIDTH * tf.cast(number * 7 % 13, "int32") // 4
    nothing = tf.zeros((width, width)) + 0.0 * x[0]
    return x + tf.reduce_sum(tf.linalg.matmul(nothing, nothing)), y


def pin_script(session, name):
    session.after_import("tensorflow", lambda: _unordered(session, lambda: None, ordered=True))


def touch(session):
    session.after_import("tensorflow", lambda: _unordered(session, lambda: session.drew(ID)))


def _unordered(session, met, ordered=False):
    """Call ``met`` where a script asks for elements in any order, and give it an order where
    ``ordered`` says so.
    """

    def transformed(arguments, call):
        if arguments.get("deterministic") is False:
            met()
            arguments["deterministic"] = ordered
        return call()

    def with_options_told(given):
        def with_options(dataset, options, *arguments, **named):
            name = (
                "deterministic"
                if hasattr(options, "deterministic")
                else "experimental_deterministic"
            )
            if getattr(options, name) is False:
                met()
                setattr(options, name, ordered)
            return given(dataset, options, *arguments, **named)

        return with_options

    methods = ("map", "interleave", "batch", "padded_batch", "ragged_batch")
    batches.follow_calls(session, transformed, *methods)
    session.wrap(batches.dataset_class(), "with_options", with_options_told)

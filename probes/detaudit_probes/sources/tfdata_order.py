"""``tf.data`` without an order: ``deterministic=False`` returns elements as soon as they are ready.

A parallel ``map`` or ``interleave`` keeps the order of its elements, unless the argument
``deterministic=False`` or ``Options.deterministic = False`` (``experimental_deterministic`` in
older versions) allows any order. Performance guides recommend this, and TensorFlow Datasets sets it
for shuffled files without a seed. Then the element that is finished first comes first. Seeds have
no effect, and neither does one inter-op thread: ``tf.data`` runs its functions on its own pool,
with one thread per core.

If all elements take the same time, the order often repeats (in 4 of 4 runs here), which proves
nothing. So the probe's elements take unequal time, like images of unequal size: several shards are
interleaved, and a matrix product of varying size is added to each row as zero. A private pool of
eight threads keeps the race going on one core and on a busy machine too.
"""

from detaudit_probes.backends import TF_KERAS
from detaudit_probes.declare import Edit, InScript, Link, Pin, Source, Unpin
from detaudit_probes.kit import batches
from detaudit_probes.protocol import Settings

ID = "tfdata-order"
PIN = "ordered-map"

SHARDS = 8  # interleaved, so that elements can overtake each other
COPIES = 28  # of each row of the data: 252 elements per pass over the nine points
WIDTH = 64  # of the smallest matrix that an element multiplies; the largest is four times as wide

SOURCE = Source(
    id=ID,
    family="order",
    title="tf.data without an order (deterministic=False)",
    breaks="A parallel map or interleave returns its elements in the order in which they are finished.",
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
            "tfds.ReadConfig: shuffled files without a seed are read in arbitrary order",
            "https://www.tensorflow.org/datasets/api_docs/python/tfds/ReadConfig",
        ),
    ),
    script=InScript(
        PIN,
        rank=100,
        race=True,
        edits=(
            Edit("set", calls=("map", "interleave", "batch"), form="deterministic", value="True"),
            Edit("attribute", calls=("with_options",), form="deterministic", value="True"),
        ),
    ),
)


def feed(trial, x, y):
    import tensorflow as tf

    # Only this source's own pin uses the ordered form: op determinism must pin the unordered one.
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
    """Return the row unchanged after work that varies between elements: the product of zeros is
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
    """Call ``met`` if a script allows any order of elements, and set ``deterministic`` to
    ``ordered``.
    """

    def transformed(arguments, call):
        if arguments.get("deterministic") is False:
            met()
            arguments["deterministic"] = ordered
        return call()

    def make_with_options(given):
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
    session.wrap(batches.dataset_class(), "with_options", make_with_options)

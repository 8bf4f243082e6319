"""NumPy's newer generators: ``numpy.random.default_rng()`` without a seed.

Since NumPy 1.17 ``default_rng`` makes a generator of its own. Without a seed it takes 128 bits from the
operating system (``numpy/random/bit_generator.pyx``, ``SeedSequence``), and no global seed reaches it:
``numpy.random.seed`` does not, and so ``keras.utils.set_random_seed`` does not either (keras-team/keras#19322).
The pin is a seed for every such generator. Where the code is not the user's own, the operating system's
entropy can be replaced (pin ``os-entropy``), which holds it too.
"""
from detaudit_probes import batches
from detaudit_probes.declare import Edit, InScript, Link, Loosen, Pin, Source

ID = "numpy-generator"

SOURCE = Source(
    id=ID,
    family="generators",
    title="numpy.random.default_rng() without a seed",
    breaks="A PyDataset that shuffles with an unseeded default_rng() feeds the batches in another order.",
    experiment=Loosen(models=("mlp",), feed=True, pins=(ID, "os-entropy")),
    pins=(
        Pin(
            id=ID,
            holds=(ID,),
            lines={"*": ("import numpy", "rng = numpy.random.default_rng({seed})  # and draw from rng alone")},
            note="every default_rng() in the script needs a seed: there is no global one",
        ),
    ),
    links=(
        Link("numpy.random.default_rng",
             "https://numpy.org/doc/stable/reference/random/generator.html#numpy.random.default_rng"),
        Link("Keras issue 19322: set_random_seed does not reach default_rng",
             "https://github.com/keras-team/keras/issues/19322"),
    ),
    quick=True,
    script=InScript(ID, edits=(Edit("add", calls=("default_rng",), form="{seed}"),)),
)


def watch(trial):
    """Count the generators that are made without a seed, whoever makes them."""
    import numpy

    make = getattr(numpy.random, "default_rng", None)

    def default_rng(seed=None):
        trial.count(ID, int(seed is None))
        return make(seed)

    if make is not None:
        numpy.random.default_rng = default_rng


def available(trial):
    import numpy

    return None if hasattr(numpy.random, "default_rng") else "NumPy %s has no default_rng" % numpy.__version__


def feed(trial, x, y):
    import numpy

    # The pin is the seed that a user writes; under the pin os-entropy the code stays unseeded.
    rng = numpy.random.default_rng(trial.seed) if ID in trial.request.pins else numpy.random.default_rng()
    return batches.shuffled(x, y, rng.shuffle)


def hold(session, name):
    session.after_import("numpy", lambda: _unseeded(session, lambda: None, session.seed))


def touch(session):
    session.after_import("numpy", lambda: _unseeded(session, lambda: session.drew(ID)))


def _unseeded(session, met, seed=None):
    """Call ``met`` for every ``default_rng()`` without a seed, and give it one where there is one to give."""
    import numpy

    def telling(make):
        def default_rng(*arguments, **named):
            if (arguments[0] if arguments else named.get("seed")) is None:
                met()
                return make(seed)
            return make(*arguments, **named)

        return default_rng

    session.wrap(numpy.random, "default_rng", telling)

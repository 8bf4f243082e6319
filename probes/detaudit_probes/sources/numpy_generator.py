"""NumPy generators without a seed: ``numpy.random.default_rng()``, ``RandomState()``,
``SeedSequence()``.

Since NumPy 1.17, ``default_rng`` creates a separate generator. Without a seed, it takes 128 bits
from the operating system (``numpy/random/bit_generator.pyx``, ``SeedSequence``). No global seed
affects it: neither ``numpy.random.seed`` nor ``keras.utils.set_random_seed``
(keras-team/keras#19322). The pin is a seed for every such generator. If the code is not the user's
own, replacing the operating system's entropy (pin ``os-entropy``) pins it as well.
"""

import os
import zlib

from detaudit_probes.backends import EVERY_BACKEND, TF_KERAS
from detaudit_probes.declare import Edit, InScript, Link, Pin, Source, Unpin
from detaudit_probes.kit import batches

ID = "numpy-generator"
#: Functions and classes that take a seed from the operating system if they are given none.
UNSEEDED = (
    "default_rng",
    "RandomState",
    "SeedSequence",
    "np.random.seed",
    "numpy.random.seed",
    "PCG64",
    "PCG64DXSM",
    "MT19937",
    "Philox",
    "SFC64",
)

SOURCE = Source(
    id=ID,
    family="generators",
    title="a NumPy generator without a seed",
    breaks="A PyDataset that shuffles with an unseeded default_rng() returns its batches in a different order.",
    backends=EVERY_BACKEND + TF_KERAS,
    experiment=Unpin(models=("mlp",), feed=True, pins=(ID, "os-entropy")),
    pins=(
        Pin(
            id=ID,
            sources=(ID,),
            lines={
                "*": (
                    "import numpy",
                    "rng = numpy.random.default_rng({seed})  # and draw from rng only",
                )
            },
            note="every generator in the script needs a seed, because there is no global one",
        ),
    ),
    links=(
        Link(
            "numpy.random.default_rng",
            "https://numpy.org/doc/stable/reference/random/generator.html#numpy.random.default_rng",
        ),
        Link(
            "Keras issue 19322: set_random_seed does not reach default_rng",
            "https://github.com/keras-team/keras/issues/19322",
        ),
    ),
    quick=True,
    script=InScript(ID, rank=60, edits=(Edit("generator", calls=UNSEEDED),)),
)


def start_counting(trial):
    """Count the generators that are created without a seed, by any code."""
    import numpy

    make = getattr(numpy.random, "default_rng", None)

    def default_rng(seed=None):
        trial.count(ID, int(seed is None))
        return make(seed)

    if make is not None:
        numpy.random.default_rng = default_rng


def available(trial):
    import numpy

    return (
        None
        if hasattr(numpy.random, "default_rng")
        else "NumPy %s has no default_rng" % numpy.__version__
    )


def feed(trial, x, y):
    import numpy

    # The pin is the seed that a user writes. With the pin os-entropy, the code stays unseeded.
    rng = (
        numpy.random.default_rng(trial.seed)
        if ID in trial.request.pins
        else numpy.random.default_rng()
    )
    return batches.shuffled(x, y, rng.shuffle)


def pin_script(session, name):
    """Give each line of the script its own fixed entropy, whichever thread runs first; in a worker,
    also each task.
    """

    def entropy(size):
        place = session.sites.innermost()
        line = "%s:%d" % (os.path.basename(place.file), place.line) if place is not None else ""
        lines = zlib.crc32(line.encode("utf-8"))
        return session.seed + (lines << 32) + (session.tasks.number << 64)

    session.after_import("numpy", lambda: _unseeded(session, lambda: None, entropy))


def touch(session):
    session.after_import("numpy", lambda: _unseeded(session, lambda: session.drew(ID)))


def _unseeded(session, met, entropy=None):
    """Call ``met`` whenever NumPy seeds a generator from the operating system; ``entropy`` returns
    a replacement.

    ``default_rng()``, ``RandomState()``, ``SeedSequence()``, bit generators and
    ``numpy.random.seed()`` all call one function of ``secrets``, since NumPy 1.18.
    """
    import numpy

    def wrapper(given):
        def randbits(size):
            met()
            return given(size) if entropy is None else entropy(size)

        return randbits

    for name in ("bit_generator", "_bit_generator"):
        if hasattr(numpy.random, name):
            session.wrap(getattr(numpy.random, name), "randbits", wrapper)

"""The operating system's entropy: ``os.urandom``, and with it ``secrets``, ``uuid.uuid4`` and
``SystemRandom``.

It cannot be seeded. It enters a training where a script names its files by ``uuid.uuid4()`` and
reads them back in sorted order, makes a "random seed" with ``secrets``, or leaves a generator
unseeded. Python's ``uuid.uuid4`` and ``secrets`` call ``os.urandom`` and ``random._urandom``
(``Lib/uuid.py``, ``Lib/random.py``), so replacing these two repeats all of them, and
``numpy.random.default_rng()`` and ``RandomState()`` as well, which seed themselves through
``secrets``. ``random.seed()`` and ``random.Random()`` ask the operating system in C
(``Modules/_randommodule.c``), TensorFlow's unseeded operations in C++: neither is reached. What was
seeded when it was imported, as NumPy's legacy generator is, must be seeded by itself.
"""

import os
import random

from detaudit_probes.declare import BACKENDS, InScript, Link, Pin, Source, Unpin
from detaudit_probes.kit import batches

ID = "os-entropy"

SOURCE = Source(
    id=ID,
    family="generators",
    title="the operating system's entropy (os.urandom, secrets, uuid)",
    breaks="Files named by uuid4 and read back in sorted order come in another order.",
    backends=BACKENDS,
    experiment=Unpin(models=("mlp",), feed=True),
    pins=(
        Pin(
            id=ID,
            sources=(ID, "numpy-generator"),
            lines={
                "*": (
                    "import os",
                    "import random",
                    "stream = random.Random({seed})",
                    "os.urandom = random._urandom = lambda size: bytes(stream.getrandbits(8) for _ in range(size))",
                )
            },
            note="for experiments only: keys, tokens and uuids repeat; better to number the files and to pass a seed",
        ),
    ),
    links=(
        Link("os.urandom", "https://docs.python.org/3/library/os.html#os.urandom"),
        Link("uuid.uuid4", "https://docs.python.org/3/library/uuid.html#uuid.uuid4"),
        Link("secrets", "https://docs.python.org/3/library/secrets.html"),
    ),
    quick=True,
    advice="Name files by number and pass a seed; entropy itself can only be replaced, not seeded.",
    script=InScript(ID),
)


def start_counting(trial):
    _replace(trial, os.urandom)


def pin(trial):
    stream = random.Random(trial.seed)
    _replace(trial, lambda size: bytes(stream.getrandbits(8) for _ in range(size)))


def _replace(trial, source):
    """Let ``source`` answer for the operating system, and count how often it is asked."""

    def urandom(size):
        trial.count(ID)
        return source(size)

    os.urandom = random._urandom = urandom


def feed(trial, x, y):
    """The rows through files named by ``uuid4``, one row a file, read back in the order of the
    names.
    """
    import uuid

    import numpy

    folder = os.path.join(trial.folder, "shards")
    os.mkdir(folder)
    for row in range(len(x)):
        numpy.savez(os.path.join(folder, "%s.npz" % uuid.uuid4()), x=x[row], y=y[row])
    shards = [numpy.load(os.path.join(folder, name)) for name in sorted(os.listdir(folder))]
    return batches.in_order(
        numpy.stack([one["x"] for one in shards]), numpy.stack([one["y"] for one in shards])
    )


def pin_script(session, name):
    stream = random.Random(session.seed)
    _answer(session, lambda size: bytes(stream.getrandbits(8) for _ in range(size)), lambda: None)


def touch(session):
    _answer(session, os.urandom, lambda: session.drew(ID))


def _answer(session, source, met):
    def urandom(size):
        met()
        return source(size)

    os.urandom = random._urandom = urandom

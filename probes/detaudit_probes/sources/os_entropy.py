"""The operating system's entropy: ``os.urandom``, and so ``secrets``, ``uuid.uuid4`` and
``SystemRandom``.

It cannot be seeded. It affects training if a script names its files with ``uuid.uuid4()`` and reads
them back in sorted order, makes a "random seed" with ``secrets``, or leaves a generator unseeded.

Python's ``uuid.uuid4`` and ``secrets`` call ``os.urandom`` and ``random._urandom``
(``Lib/uuid.py``, ``Lib/random.py``), so replacing these two functions pins all of them, and also
``numpy.random.default_rng()`` and ``RandomState()``, which take their seeds from ``secrets``. It
does not affect ``random.seed()`` and ``random.Random()``, which call the operating system in C
(``Modules/_randommodule.c``), nor TensorFlow's unseeded operations, which do so in C++. A generator
that was seeded at import, such as NumPy's legacy generator, needs its own seed.
"""

import os
import random

from detaudit_probes.backends import BACKENDS
from detaudit_probes.declare import Edit, InScript, Link, Pin, Source, Unpin
from detaudit_probes.kit import batches

ID = "os-entropy"
CALLS = (
    "urandom",
    "getrandom",
    "randbits",
    "randbelow",
    "token_bytes",
    "token_hex",
    "uuid1",
    "uuid4",
)

SOURCE = Source(
    id=ID,
    family="generators",
    title="the operating system's entropy (os.urandom, secrets, uuid)",
    breaks="Files named with uuid4 and read in sorted order come in a different order in every run.",
    backends=BACKENDS,
    experiment=Unpin(models=("mlp",), feed=True),
    pins=(
        Pin(
            id=ID,
            in_base=60,
            holds_ids=True,
            sources=(ID, "numpy-generator"),
            lines={
                "*": (
                    "import os",
                    "import random",
                    "stream = random.Random({seed})",
                    "os.urandom = random._urandom = lambda size: bytes(stream.getrandbits(8) for _ in range(size))",
                )
            },
            note="for experiments only, because keys, tokens and uuids repeat; "
            "prefer numbered files and explicit seeds",
        ),
    ),
    links=(
        Link("os.urandom", "https://docs.python.org/3/library/os.html#os.urandom"),
        Link("uuid.uuid4", "https://docs.python.org/3/library/uuid.html#uuid.uuid4"),
        Link("secrets", "https://docs.python.org/3/library/secrets.html"),
    ),
    quick=True,
    advice="The operating system's entropy cannot be seeded: pass a seed, or name files by a counter.",
    script=InScript(
        ID,
        rank=160,
        may_fail=True,
        reaches=("numpy-legacy",),
        edits=(Edit("seed", calls=CALLS), Edit("stream", calls=(*CALLS, "secrets.choice"))),
    ),
)


def start_counting(trial):
    _replace(trial, os.urandom)


def pin(trial):
    stream = random.Random(trial.seed)
    _replace(trial, lambda size: bytes(stream.getrandbits(8) for _ in range(size)))


def _replace(trial, source):
    """Replace the operating system's entropy with ``source``, and count the calls."""

    def urandom(size):
        trial.count(ID)
        return source(size)

    os.urandom = random._urandom = urandom


def feed(trial, x, y):
    """Write the rows to files named with ``uuid4``, one row per file, and read them in sorted
    order.
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
    """Let the operating system's entropy be a fixed stream. With the source's own setting, each
    answer of it is one byte, repeated: an id that is made of it then shows that it is.
    """
    stream = random.Random(session.seed)
    session.at_points(lambda point: stream.seed(session.seed_of(point)))
    session.at_tasks(lambda task: stream.seed(session.seed_of_task()))

    def answer(size):
        if session.own_setting(ID):
            return bytes([stream.getrandbits(8)]) * size
        return bytes(stream.getrandbits(8) for _ in range(size))

    _answer(session, answer, lambda: None)


def touch(session):
    _answer(session, os.urandom, lambda: session.drew(ID))


def _answer(session, source, met):
    def urandom(size):
        met()
        return source(size)

    os.urandom = random._urandom = urandom

"""Python's own generator, ``random``: on Keras 3 it decides the initial weights.

Keras 3 takes the default seed of every initializer, of every ``Dropout`` and of its global seed
generator from ``random.randint`` (``keras/src/random/seed_generator.py``, ``make_default_seed``),
not from NumPy and not from TensorFlow. The recipe of 2017, ``numpy.random.seed`` and
``tf.random.set_seed``, leaves it unseeded, so two processes start with different weights
(keras-team/keras#22620). A new process seeds ``random`` from the operating system.
"""

import random
import sys

from detaudit_probes.backends import BACKENDS
from detaudit_probes.declare import Edit, InScript, Link, Pin, Source, Unpin
from detaudit_probes.sources import third_party

ID = "python-random"

SOURCE = Source(
    id=ID,
    family="generators",
    title="Python's random module",
    breaks="Keras 3 draws the seeds of initializers, of dropout and of its global generator from this module.",
    backends=BACKENDS,
    experiment=Unpin(models=("mlp", "cnn")),
    pins=(
        Pin(
            id=ID,
            in_base=20,
            sources=(ID,) + third_party.FROM_PYTHON,
            lines={"*": ("import random", "random.seed({seed})  # before the model is built")},
        ),
    ),
    links=(
        Link(
            "Keras issue 22620: results differ although seeds are set",
            "https://github.com/keras-team/keras/issues/22620",
        ),
        Link(
            "random: bookkeeping functions",
            "https://docs.python.org/3/library/random.html#bookkeeping-functions",
        ),
    ),
    quick=True,
    trace_name="random",
    seeders=(("random", "seed"),),
    script=InScript(
        ID,
        rank=20,
        edits=(
            Edit("add", calls=("Random", "random.seed"), form="{seed}"),
            Edit("insert", ("import random", "random.seed({seed})")),
            Edit("insert", ("keras.utils.set_random_seed({seed})",), after=("keras",)),
            Edit("insert", ("tf.keras.utils.set_random_seed({seed})",), after=("tensorflow",)),
        ),
    ),
)


def pin(trial):
    random.seed(trial.seed)


def count_uses(trial):
    return trial.moved("random")


def pin_script(session, name):
    """Pin the global generator of a user's process, and every other that is created or seeded
    without a seed.
    """
    pin(session)
    stream = random.Random(session.seed)
    _seeds_of_nothing(session, stream)

    def begin(task):
        stream.seed(session.seed_of_task())
        if "random" not in task.kept:
            random.seed(session.seed_of_task())

    session.at_tasks(begin)

    def again(point):
        """Imports draw too: ``rich``, which Keras imports, numbers its styles from a random
        number.
        """
        stream.seed(session.seed_of(point))
        if "random" not in dict(point.kept):
            pin(session)

    session.at_points(again)


def _seeds_of_nothing(session, stream=None):
    """Count the generators that are seeded without a seed, which call the operating system in C, or
    seed them from ``stream``.
    """
    given = random.Random.seed

    def seed(generator, a=None, version=2):
        if generator is random._inst:
            session.tasks.seeded("random", a is not None, sys._getframe(1))
        if a is None and not _names_files():
            session.count(ID)
            if session.spying == ID:
                session.sites.note(private=generator is not random._inst)
            a = None if stream is None else stream.getrandbits(64)
        return given(generator, a, version)

    random.Random.seed = seed
    random.seed = random._inst.seed


def _names_files():
    """Whether ``tempfile`` creates the generator: its file names are another source
    (temporary-folder).
    """
    frame = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__") == "random":
        frame = frame.f_back
    return frame is not None and frame.f_globals.get("__name__") == "tempfile"


def touch(session):
    session.remembered[ID] = hash(random.getstate())
    _seeds_of_nothing(session)


def touched(session, name):
    """Whether the global generator's state changed, or another was created without a seed."""
    moved = session.remembered[ID] != hash(random.getstate())
    return session.counts.get(ID, 0) + int(moved)


def spy(session):
    count_draws(session, lambda: session.drew(ID))


def count_draws(session, met):
    """Call ``met`` with every call of the functions that draw from the global generator."""

    def wrapper(given):
        def drawing(*arguments, **named):
            met()
            return given(*arguments, **named)

        return drawing

    for name in random.__all__:
        draws = callable(getattr(random, name)) and name[0].islower()
        if draws and name not in ("seed", "getstate", "setstate"):
            session.wrap(random, name, wrapper)

"""NumPy's legacy generator, used by ``numpy.random.shuffle`` and similar functions of hand-written
pipelines.

The functions of ``numpy.random`` share one global ``RandomState``, seeded from the operating system
when NumPy is imported. On the TensorFlow and Torch backends, Keras 3 itself does not draw from it.
``numpy.random.seed``, which was enough with Theano and is the first line of the recipe of 2017,
pins neither the initial weights nor ``fit``'s shuffle there. On the JAX and NumPy backends, ``fit``
shuffles with ``numpy.random.permutation``
(``keras/src/trainers/data_adapters/array_data_adapter.py``). Code around the model draws from it: a
``PyDataset`` that shuffles after every epoch, augmentation, and scikit-learn, pandas and
``scipy.stats`` without a ``random_state``.
"""

import sys

from detaudit_probes.backends import BACKENDS
from detaudit_probes.declare import Edit, InScript, Link, Pin, Source, Unpin
from detaudit_probes.kit import batches
from detaudit_probes.sources import third_party

ID = "numpy-legacy"

SOURCE = Source(
    id=ID,
    family="generators",
    title="NumPy's legacy generator",
    breaks="A PyDataset that shuffles with unseeded numpy.random returns its batches in a different order.",
    backends=BACKENDS,
    experiment=Unpin(models=("mlp",), feed=True),
    pins=(
        Pin(
            id=ID,
            in_base=30,
            sources=(ID,) + third_party.FROM_NUMPY,
            lines={"*": ("import numpy", "numpy.random.seed({seed})  # before anything draws")},
        ),
    ),
    links=(
        Link(
            "numpy.random.seed",
            "https://numpy.org/doc/stable/reference/random/generated/numpy.random.seed.html",
        ),
        Link(
            "Legacy random generation", "https://numpy.org/doc/stable/reference/random/legacy.html"
        ),
        Link(
            "Keras issue 22620: results differ although NumPy and TensorFlow are seeded",
            "https://github.com/keras-team/keras/issues/22620",
        ),
    ),
    quick=True,
    trace_name="numpy",
    seeders=(("numpy", "random.seed"),),
    script=InScript(
        ID,
        rank=30,
        edits=(
            Edit("insert", ("numpy.random.seed({seed})",), after=("numpy",)),
            Edit("insert", ("import numpy", "numpy.random.seed({seed})")),
        ),
    ),
)


def pin(trial):
    import numpy

    numpy.random.seed(trial.seed)


def count_uses(trial):
    return trial.moved("numpy")


def feed(trial, x, y):
    import numpy

    return batches.shuffled(x, y, numpy.random.shuffle)


def pin_script(session, name):
    session.after_import("numpy", lambda: _pin_for_task(session))
    session.at_points(_unless_kept(session))
    session.at_tasks(lambda task: _pin_for_task(session, task.kept))


def _pin_for_task(session, kept=()):
    """Seed it for the task that this process is at, if it is a worker, unless it is ``kept``."""
    if "numpy" in kept:
        return
    if "numpy" in sys.modules:
        import numpy

        task = session.tasks.number
        numpy.random.seed([session.seed, task] if task else session.seed)


def _unless_kept(session):
    """Return a function that seeds it again at a point, because an import may have drawn."""

    def again(point):
        if "numpy" in sys.modules and "numpy" not in dict(point.kept):
            pin(session)

    return again


def touch(session):
    session.after_import("numpy", lambda: _remember(session))


def _remember(session):
    session.remembered[ID] = _state()


def _state():
    import numpy

    state = numpy.random.get_state()
    return hash((state[1].tobytes(), state[2:]))


def touched(session, name):
    """Whether the legacy generator's state changed between NumPy's import and the end."""
    before = session.remembered.get(ID)
    return int(before is not None and before != _state())


def spy(session):
    count_draws(session, lambda: session.drew(ID))


def count_draws(session, met):
    """Call ``met`` with every call of its functions and of the generator's methods, which
    scikit-learn and SciPy call.
    """
    session.after_import("numpy", lambda: _count_draws(met))


def _count_draws(met):
    import threading

    import numpy

    here = threading.local()  # whether a method is running, which may call others

    legacy = numpy.random.mtrand._rand
    names = [
        name
        for name in dir(numpy.random)
        if getattr(getattr(numpy.random, name), "__self__", None) is legacy
    ]
    names = [name for name in names if name not in ("seed", "get_state", "set_state")]

    def wrapper(name):
        def method(generator, *arguments, **named):
            given = getattr(super(Counting, generator), name)
            if getattr(here, "inside", False):
                return given(*arguments, **named)
            here.inside = True
            try:
                met()
                return given(*arguments, **named)
            finally:
                here.inside = False

        return method

    class Counting(numpy.random.RandomState):
        def __reduce__(self):  # a worker gets the original
            return legacy.__reduce__()

    for name in names:
        setattr(Counting, name, wrapper(name))
    if hasattr(legacy, "_bit_generator"):
        counting = Counting(legacy._bit_generator)
    else:  # before NumPy 1.17
        counting = Counting()
        counting.set_state(legacy.get_state())
    numpy.random.mtrand._rand = counting
    for name in names:
        setattr(numpy.random, name, getattr(counting, name))

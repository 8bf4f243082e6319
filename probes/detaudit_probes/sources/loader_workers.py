"""Several loader threads that share one generator: which batch gets which numbers is a race.

``keras.utils.PyDataset(workers=4)`` (``Sequence`` before Keras 3) loads its batches in a pool of threads. Keras
hands them on in order, but where ``__getitem__`` draws from ``numpy.random``, the threads draw from one shared
generator in whatever order they get there (keras-team/keras#11365, #1968). The seed is set and does not help;
neither does op determinism. A generator of its own for each item does, whatever thread loads it.

The probe's items cost unequal time before they draw, as files of unequal size do: each multiplies matrices
whose size depends on its number, in NumPy, which lets the other threads run meanwhile.
"""
import threading

from detaudit_probes.declare import EVERY_BACKEND, Edit, InScript, Link, Loosen, Pin, Source

ID = "loader-workers"
PER_ITEM = "generator-per-item"
ONE_WORKER = "one-worker"

WORKERS = 4
BATCHES = 32

SOURCE = Source(
    id=ID,
    family="order",
    title="several loader threads",
    breaks="Threads that load batches draw from one generator: which batch gets which number is a race.",
    backends=EVERY_BACKEND,
    experiment=Loosen(models=("mlp",), feed=True, race=True, options={"epochs": 1}, pins=(PER_ITEM, ONE_WORKER)),
    pins=(
        Pin(
            id=PER_ITEM,
            holds=(ID,),
            lines={"*": (
                "# in __getitem__(self, index), in place of numpy.random:",
                "generator = numpy.random.default_rng(({seed}, index))",
            )},
            note="add the epoch's number where every epoch shall draw anew",
        ),
        Pin(
            id=ONE_WORKER,
            holds=(ID,),
            lines={"*": ("super().__init__(workers=1)  # in the __init__ of the PyDataset",)},
            note="nothing is loaded in parallel any more",
        ),
    ),
    links=(
        Link("keras.utils.PyDataset", "https://keras.io/api/utils/python_utils/#pydataset-class"),
        Link("Keras issue 11365", "https://github.com/keras-team/keras/issues/11365"),
        Link("NumPy: parallel random number generation",
             "https://numpy.org/doc/stable/reference/random/parallel.html"),
    ),
    script=InScript(ONE_WORKER, race=True, edits=(Edit("set", form="workers", value="1"),)),
)


def feed(trial, x, y):
    import keras
    import numpy

    loading, lock = [0], threading.Lock()

    def enter(change):
        with lock:
            loading[0] += change
            trial.count(ID, int(loading[0] > 1))  # another batch is being loaded meanwhile

    class Noisy(keras.utils.PyDataset):
        def __len__(self):
            return BATCHES

        def __getitem__(self, index):
            enter(+1)
            _work(index)
            if PER_ITEM in trial.request.pins:
                noise = numpy.random.default_rng((trial.seed, index)).normal(scale=0.01, size=x.shape)
            else:
                noise = numpy.random.normal(scale=0.01, size=x.shape)
            enter(-1)
            return x + noise.astype(x.dtype), y

    return Noisy(workers=1 if ONE_WORKER in trial.request.pins else WORKERS, use_multiprocessing=False)


def _work(index):
    import numpy

    width = 50 + 50 * (index * 7 % 5)
    numpy.ones((width, width)).dot(numpy.ones((width, width)))


def hold(session, name):
    """In a user's process every ``PyDataset`` is loaded by one thread."""
    session.after_import("keras", lambda: _loaded(session, lambda: None, one=True))


def touch(session):
    session.after_import("keras", lambda: _loaded(session, lambda: session.drew(ID, makers=True)))


def _loaded(session, met, one=False):
    import keras

    def told(given):
        def __init__(dataset, workers=1, use_multiprocessing=False, *arguments, **named):
            if workers > 1:
                met()
                workers, use_multiprocessing = (1, False) if one else (workers, use_multiprocessing)
            return given(dataset, workers, use_multiprocessing, *arguments, **named)

        return __init__

    session.wrap(getattr(keras.utils, "PyDataset", None), "__init__", told)

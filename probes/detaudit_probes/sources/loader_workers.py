"""Several loader threads that share one generator: a race decides which batch gets which numbers.

``keras.utils.PyDataset(workers=4)`` loads its batches in a pool of threads; before Keras 3 the
class was ``Sequence``, and ``fit(workers=4)`` set the number. Keras returns the batches in order,
but if ``__getitem__`` draws from ``numpy.random``, the threads draw from one shared generator in a
varying order (keras-team/keras#11365, #1968). Neither a seed nor op determinism helps. A separate
generator for each item does, whichever thread loads the item.

The probe's items take unequal time before they draw, like files of unequal size: each multiplies
matrices whose size depends on the item's number, in NumPy, which lets the other threads run in the
meantime.
"""

import functools
import sys
import threading

from detaudit_probes.backends import EVERY_BACKEND, TF_KERAS
from detaudit_probes.declare import KERAS_MODULES, Edit, InScript, Link, Pin, Source, Unpin
from detaudit_probes.kit import batches
from detaudit_probes.protocol import Settings

ID = "loader-workers"
PER_ITEM = "generator-per-item"
ONE_WORKER = "one-worker"

WORKERS = 4
BATCHES = 32

SOURCE = Source(
    id=ID,
    family="order",
    title="several loader threads",
    breaks="Threads that load batches draw from one generator, so a race decides which batch gets which numbers.",
    backends=EVERY_BACKEND + TF_KERAS,
    experiment=Unpin(
        models=("mlp",),
        feed=True,
        race=True,
        settings=Settings(epochs=1),
        pins=(PER_ITEM, ONE_WORKER),
    ),
    pins=(
        Pin(
            id=PER_ITEM,
            sources=(ID,),
            lines={
                "*": (
                    "# in __getitem__(self, index), in place of numpy.random:",
                    "generator = numpy.random.default_rng(({seed}, index))",
                )
            },
            note="to draw different numbers in every epoch, add the epoch to the seed",
        ),
        Pin(
            id=ONE_WORKER,
            sources=(ID,),
            lines={
                "*": ("super().__init__(workers=1)  # in the __init__ of the PyDataset",),
                **dict.fromkeys(TF_KERAS, ("model.fit(dataset, workers=1)",)),
            },
            note="batches are no longer loaded in parallel",
        ),
    ),
    links=(
        Link("keras.utils.PyDataset", "https://keras.io/api/utils/python_utils/#pydataset-class"),
        Link("Keras issue 11365", "https://github.com/keras-team/keras/issues/11365"),
        Link(
            "NumPy: parallel random number generation",
            "https://numpy.org/doc/stable/reference/random/parallel.html",
        ),
    ),
    script=InScript(
        ONE_WORKER,
        rank=80,
        may_fail=True,
        race=True,
        edits=(Edit("set", form="workers", value="1"),),
    ),
)


def feed(trial, x, y):
    import numpy

    loading, lock = [0], threading.Lock()

    def enter(change):
        with lock:
            loading[0] += change
            trial.count(ID, int(loading[0] > 1))  # another batch is being loaded at the same time

    class Noisy(batches.dataset()):
        def __init__(self):
            batches.of_workers(
                self, super().__init__, 1 if ONE_WORKER in trial.request.pins else WORKERS
            )

        def __len__(self):
            return BATCHES

        def __getitem__(self, index):
            enter(+1)
            _work(index)
            if PER_ITEM in trial.request.pins:
                noise = numpy.random.default_rng((trial.seed, index)).normal(
                    scale=0.01, size=x.shape
                )
            else:
                noise = numpy.random.normal(scale=0.01, size=x.shape)
            enter(-1)
            return x + noise.astype(x.dtype), y

    return Noisy()


def _work(index):
    import numpy

    width = 50 + 50 * (index * 7 % 5)
    numpy.ones((width, width)).dot(numpy.ones((width, width)))


def pin_script(session, name):
    """Load with one thread in a user's process, in every ``PyDataset`` and every ``fit`` of Keras
    2.
    """
    _follow(session, lambda: None, one=True)


def touch(session):
    _follow(session, lambda: session.drew(ID, makers=True))


def _follow(session, met, one=False):
    followed = []
    for name in KERAS_MODULES:
        session.after_import(name, functools.partial(_loaded, session, met, one, name, followed))


def _loaded(session, met, one, name, followed):
    """Wrap the Keras that was imported under this name, unless it has been wrapped already."""
    keras = sys.modules[name]
    if followed:
        return
    followed.append(name)

    def fewer(workers, use_multiprocessing):
        if workers is None or workers <= 1:
            return workers, use_multiprocessing
        met()
        return (1, False) if one else (workers, use_multiprocessing)

    def telling_dataset(given):
        def __init__(dataset, workers=1, use_multiprocessing=False, *arguments, **named):
            return given(dataset, *fewer(workers, use_multiprocessing), *arguments, **named)

        return __init__

    def telling_fit(given):
        def fit(model, *arguments, **named):
            if "workers" in named:
                named["workers"], processes = fewer(
                    named["workers"], named.get("use_multiprocessing", False)
                )
                if processes != named.get("use_multiprocessing", False):
                    named["use_multiprocessing"] = processes
            return given(model, *arguments, **named)

        return fit

    if hasattr(keras.utils, "PyDataset"):
        session.wrap(keras.utils.PyDataset, "__init__", telling_dataset)
    else:
        for method in (
            "fit",
            "evaluate",
            "predict",
            "fit_generator",
            "evaluate_generator",
            "predict_generator",
        ):
            session.wrap(keras.models.Model, method, telling_fit)

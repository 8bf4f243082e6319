"""NumPy's legacy generator, ``numpy.random.shuffle`` and its like: it decides what hand-written pipelines do.

The functions of ``numpy.random`` share one global ``RandomState``, seeded from the operating system when NumPy
is imported. On the TensorFlow and Torch backends Keras 3 itself does not draw from it: ``numpy.random.seed``,
which sufficed with Theano and which the recipe of 2017 begins with, pins neither the initial weights nor
``fit``'s shuffle there; on the JAX and NumPy backends ``fit`` shuffles with ``numpy.random.permutation``
(``keras/src/trainers/data_adapters/array_data_adapter.py``). What draws from it is the code around the model:
a ``PyDataset`` that shuffles after every epoch, an augmentation, scikit-learn, pandas and ``scipy.stats``
where no ``random_state`` is given.
"""
from detaudit_probes import batches
from detaudit_probes.declare import Link, Loosen, Pin, Source
from detaudit_probes.sources import third_party

ID = "numpy-legacy"

SOURCE = Source(
    id=ID,
    family="generators",
    title="NumPy's legacy generator",
    breaks="A PyDataset that shuffles with numpy.random feeds the batches in another order.",
    experiment=Loosen(models=("mlp",), feed=True),
    pins=(
        Pin(
            id=ID,
            holds=(ID,) + third_party.FROM_NUMPY,
            lines={"*": ("import numpy", "numpy.random.seed({seed})  # before anything draws")},
        ),
    ),
    links=(
        Link("numpy.random.seed", "https://numpy.org/doc/stable/reference/random/generated/numpy.random.seed.html"),
        Link("Legacy random generation", "https://numpy.org/doc/stable/reference/random/legacy.html"),
        Link("Keras issue 22620: NumPy and TensorFlow seeded, and still different",
             "https://github.com/keras-team/keras/issues/22620"),
    ),
    quick=True,
)


def pin(trial):
    import numpy

    numpy.random.seed(trial.seed)


def see(trial):
    return trial.moved("numpy")


def feed(trial, x, y):
    import numpy

    return batches.shuffled(x, y, numpy.random.shuffle)

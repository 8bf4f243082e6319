"""Random draws of other libraries in the training data: one source per library,
``third-party:NAME``.

Each source calls its library without a seed, as most tutorials do, and the result becomes the
training data of a network with seeded weights. Experiments showed where the unseeded draws of each
library come from (scikit-learn 1.9, pandas 3.1, SciPy 1.17, NetworkX 3.6, Faker 40, Albumentations
2.0, PyTorch 2.13, LightGBM 4.7, XGBoost 3.2). This decides which seed pins them:

* NumPy's legacy generator: scikit-learn, pandas and the distributions of ``scipy.stats``, so
  ``numpy.random.seed`` is enough. (``scipy.stats.qmc`` creates its own ``default_rng()``: see
  ``numpy-generator``.)
* Python's ``random``: NetworkX' random graphs. (Its layouts draw from NumPy's legacy generator.)
* A generator of their own, seeded from the operating system, which no other seed affects: Faker,
  Albumentations 2, PyTorch.
* A constant: LightGBM and XGBoost have default seeds, so their bagging is the same in every run.
"""

import importlib.util
from typing import Any, Callable, NamedTuple, Optional, Tuple

from detaudit_probes.backends import EVERY_BACKEND
from detaudit_probes.declare import Link, Needs, Pin, Source, Unpin
from detaudit_probes.kit import batches

Arrays = Tuple[Any, Any]


class Library(NamedTuple):
    """A library: ``rows(x, y, seed)`` draws with it, unseeded if ``seed`` is None.

    ``global_pin`` is the pin of the generator that its unseeded draws come from; None if it has its
    own.
    """

    name: str
    module: str
    breaks: str
    rows: Callable[[Any, Any, Optional[int]], Arrays]
    lines: Tuple[str, ...]
    link: Link
    global_pin: Optional[str] = None
    note: str = ""

    @property
    def id(self) -> str:
        return "third-party:" + self.name


def _scikit_learn(x, y, seed):
    import sklearn.utils

    return sklearn.utils.shuffle(x, y, random_state=seed)


def _pandas(x, y, seed):
    import pandas

    table = pandas.DataFrame({"x": x[:, 0], "y": y[:, 0]}).sample(frac=1, random_state=seed)
    return table[["x"]].to_numpy(), table[["y"]].to_numpy()


def _scipy(x, y, seed):
    import scipy.stats

    return x + scipy.stats.norm.rvs(scale=0.1, size=x.shape, random_state=seed).astype(x.dtype), y


def _networkx(x, y, seed):
    import networkx
    import numpy

    graph = networkx.gnp_random_graph(len(x), 0.5, seed=seed)
    return numpy.array([[degree] for _, degree in graph.degree], dtype=x.dtype), y


def _faker(x, y, seed):
    import faker
    import numpy

    if seed is not None:
        faker.Faker.seed(seed)
    person = faker.Faker()
    return numpy.array([[person.pyint(0, 9999) / 9999] for _ in x], dtype=x.dtype), y


def _albumentations(x, y, seed):
    import albumentations

    lighten = albumentations.Compose([albumentations.RandomBrightnessContrast(p=1)], seed=seed)
    image = lighten(image=x.reshape(len(x), 1, 1))["image"]
    return image.reshape(x.shape), y


def _torch(x, y, seed):
    import torch

    if seed is not None:
        torch.manual_seed(seed)
    order = [int(row) for row in torch.utils.data.DataLoader(range(len(x)), shuffle=True)]
    return x[order], y[order]


def _lightgbm(x, y, seed):
    import lightgbm

    teacher = lightgbm.LGBMRegressor(
        n_estimators=5,
        subsample=0.5,
        subsample_freq=1,
        min_child_samples=1,
        n_jobs=1,
        verbose=-1,
        random_state=seed,
    )
    return x, teacher.fit(x, y[:, 0]).predict(x).astype(y.dtype).reshape(y.shape)


def _xgboost(x, y, seed):
    import xgboost

    teacher = xgboost.XGBRegressor(n_estimators=5, subsample=0.5, n_jobs=1, random_state=seed)
    return x, teacher.fit(x, y[:, 0]).predict(x).reshape(y.shape)


LIBRARIES = (
    Library(
        "scikit-learn",
        "sklearn",
        "sklearn.utils.shuffle and train_test_split without random_state shuffle differently in every run.",
        _scikit_learn,
        ("# scikit-learn: pass random_state={seed} to every function and estimator that takes it",),
        Link(
            "scikit-learn: controlling randomness",
            "https://scikit-learn.org/stable/common_pitfalls.html#controlling-randomness",
        ),
        "numpy-legacy",
    ),
    Library(
        "pandas",
        "pandas",
        "DataFrame.sample without random_state selects different rows in every run.",
        _pandas,
        ("# pandas: DataFrame.sample(..., random_state={seed})",),
        Link(
            "pandas.DataFrame.sample",
            "https://pandas.pydata.org/docs/reference/api/pandas.DataFrame.sample.html",
        ),
        "numpy-legacy",
    ),
    Library(
        "scipy",
        "scipy",
        "The rvs method of a scipy.stats distribution without random_state draws different numbers in every run.",
        _scipy,
        ("# scipy.stats: norm.rvs(..., random_state={seed})",),
        Link(
            "scipy.stats.rv_continuous.rvs",
            "https://docs.scipy.org/doc/scipy/reference/generated/scipy.stats.rv_continuous.rvs.html",
        ),
        "numpy-legacy",
    ),
    Library(
        "networkx",
        "networkx",
        "A random graph without a seed has different edges in every run.",
        _networkx,
        ("# networkx: gnp_random_graph(..., seed={seed})",),
        Link(
            "NetworkX: randomness",
            "https://networkx.org/documentation/stable/reference/randomness.html",
        ),
        "python-random",
    ),
    Library(
        "faker",
        "faker",
        "A Faker without a seed generates different rows in every run.",
        _faker,
        ("import faker", "faker.Faker.seed({seed})"),
        Link(
            "Faker: seeding the generator",
            "https://faker.readthedocs.io/en/master/#seeding-the-generator",
        ),
    ),
    Library(
        "albumentations",
        "albumentations",
        "A Compose of random transforms without a seed transforms images differently in every run.",
        _albumentations,
        ("# albumentations: Compose([...], seed={seed})",),
        Link(
            "Albumentations: reproducibility",
            "https://albumentations.ai/docs/4-advanced-guides/reproducibility",
        ),
    ),
    Library(
        "torch",
        "torch",
        "A shuffling torch DataLoader without a seed returns its rows in a different order in every run.",
        _torch,
        ("import torch", "torch.manual_seed({seed})"),
        Link(
            "PyTorch: reproducibility", "https://docs.pytorch.org/docs/stable/notes/randomness.html"
        ),
        note="keras.utils.set_random_seed sets this seed on the Torch backend only",
    ),
    Library(
        "lightgbm",
        "lightgbm",
        "Bagging draws from random_state, which has a constant default.",
        _lightgbm,
        (
            "# lightgbm: LGBMRegressor(..., random_state={seed}, deterministic=True, force_row_wise=True)",
        ),
        Link(
            "LightGBM: deterministic",
            "https://lightgbm.readthedocs.io/en/latest/Parameters.html#deterministic",
        ),
    ),
    Library(
        "xgboost",
        "xgboost",
        "Subsampling draws from random_state, which has a constant default.",
        _xgboost,
        ("# xgboost: XGBRegressor(..., random_state={seed})",),
        Link(
            "XGBoost: seed",
            "https://xgboost.readthedocs.io/en/stable/parameter.html#learning-task-parameters",
        ),
    ),
)

_BY_ID = {library.id: library for library in LIBRARIES}

#: Sources whose unseeded draws come from NumPy's legacy generator, or Python's: its seed pins them
#: too.
FROM_NUMPY = tuple(library.id for library in LIBRARIES if library.global_pin == "numpy-legacy")
FROM_PYTHON = tuple(library.id for library in LIBRARIES if library.global_pin == "python-random")


def _source(library):
    own = Pin(id=library.id, sources=(library.id,), lines={"*": library.lines}, note=library.note)
    tried = (library.global_pin, own.id) if library.global_pin else (own.id,)
    return Source(
        id=library.id,
        family="generators",
        title="%s without a seed" % library.name,
        breaks=library.breaks,
        # On the Torch backend, its generator is the source torch-seed.
        backends=tuple(name for name in EVERY_BACKEND if name != library.name),
        experiment=Unpin(models=("seeded",), feed=True, pins=tried),
        pins=(own,),
        needs=Needs(packages=(library.name,)),
        links=(library.link,),
        quick=True,
    )


SOURCES = tuple(_source(library) for library in LIBRARIES)


def available(trial):
    asked = [_BY_ID[name] for name in trial.request.unpinned if name in _BY_ID]
    missing = [
        library.name for library in asked if importlib.util.find_spec(library.module) is None
    ]
    return "%s is not installed in the audited environment" % missing[0] if missing else None


def feed(trial, x, y):
    library = _BY_ID[trial.request.feed]
    # With the pin of a global generator, the call stays unseeded.
    seed = trial.seed if library.id in trial.request.pins else None
    trial.count(library.id)
    return batches.in_order(*library.rows(x, y, seed))

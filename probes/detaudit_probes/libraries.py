"""Arguments of libraries that pin what these draw, at the user's own call: one entry for each."""

from typing import FrozenSet, NamedTuple, Tuple


class Library(NamedTuple):
    """An ``argument`` of these ``calls`` of a ``package`` that pins what they draw from the
    ``sources``.

    ``{package}`` stands for the package's name in the script, ``{seed}`` for a seed. A call with an
    argument among ``unless`` is another case. ``shuffling`` calls draw only with ``shuffle=True``.
    """

    package: str
    sources: Tuple[str, ...]
    calls: FrozenSet[str]
    argument: str
    value: str
    unless: FrozenSet[str] = frozenset()
    shuffling: FrozenSet[str] = frozenset()

    @property
    def is_seed(self) -> bool:
        return "{seed}" in self.value


_SPLITTERS = "KFold StratifiedKFold RepeatedKFold RepeatedStratifiedKFold ShuffleSplit StratifiedShuffleSplit"
_FUNCTIONS = "train_test_split shuffle resample permutation_importance"
_DATA = (
    "make_blobs make_circles make_classification make_friedman1 make_moons make_regression "
    "make_s_curve make_swiss_roll"
)
_ESTIMATORS = (
    "AdaBoostClassifier AdaBoostRegressor BaggingClassifier BaggingRegressor "
    "DecisionTreeClassifier DecisionTreeRegressor ExtraTreesClassifier ExtraTreesRegressor "
    "GaussianMixture GradientBoostingClassifier GradientBoostingRegressor "
    "HistGradientBoostingClassifier HistGradientBoostingRegressor IsolationForest KMeans LinearSVC "
    "LogisticRegression MiniBatchKMeans MLPClassifier MLPRegressor NMF Nystroem PCA Perceptron "
    "RandomForestClassifier RandomForestRegressor RandomizedSearchCV RBFSampler SGDClassifier "
    "SGDRegressor TruncatedSVD TSNE"
)

_SAMPLERS = (
    "BruteForceSampler CmaEsSampler GPSampler NSGAIISampler NSGAIIISampler QMCSampler "
    "RandomSampler TPESampler"
)

LIBRARIES = (
    Library(
        "sklearn",
        ("numpy-legacy",),
        frozenset(f"{_SPLITTERS} {_FUNCTIONS} {_DATA} {_ESTIMATORS}".split()),
        "random_state",
        "{seed}",
        shuffling=frozenset({"KFold", "StratifiedKFold"}),
    ),
    Library(
        "optuna",
        ("numpy-generator", "os-entropy"),
        frozenset(_SAMPLERS.split()),
        "seed",
        "{seed}",
    ),
    Library(
        "optuna",
        ("numpy-generator", "os-entropy"),
        frozenset({"create_study"}),
        "sampler",
        "{package}.samplers.TPESampler(seed={seed})",
        unless=frozenset({"directions"}),  # for which Optuna chooses another sampler
    ),
    Library(
        "optuna",
        ("os-entropy",),
        frozenset({"create_study"}),
        "study_name",
        '"study"',
        unless=frozenset({"storage"}),  # in which a name may exist already
    ),
    Library(
        "keras_tuner",
        ("input-changed",),
        frozenset({"BayesianOptimization", "GridSearch", "Hyperband", "RandomSearch"}),
        "overwrite",
        "True",
    ),
    Library("keras", ("hash-seed",), frozenset({"hashing_trick"}), "hash_function", '"md5"'),
)

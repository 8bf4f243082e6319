"""What pins the randomness of a library best: an argument of the library's own, at the user's call.

A constant seed is given only to a call that the program makes once, as far as its text shows: the
same seed in every round of a loop would make all rounds alike.
"""

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from detaudit.commands.run.edits import Splice, last_name, parsed, span, splice, with_argument

_LOOPS = (
    ast.For,
    ast.While,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
    ast.Lambda,
    ast.AsyncFunctionDef,
)
MOST_CALLS = 3  # that are given an argument: beyond that, one seed at the top is shorter


@dataclass(frozen=True)
class Library:
    """An ``argument`` of these ``calls`` of a ``package`` that pins what they draw from the
    ``sources``.

    ``{package}`` stands for the package's name in the script, ``{seed}`` for a seed.
    """

    package: str
    sources: tuple[str, ...]
    calls: frozenset[str]
    argument: str
    value: str

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

LIBRARIES = (
    Library(
        "sklearn",
        ("numpy-legacy",),
        frozenset(f"{_SPLITTERS} {_FUNCTIONS} {_DATA} {_ESTIMATORS}".split()),
        "random_state",
        "{seed}",
    ),
    Library(
        "optuna",
        ("numpy-generator", "os-entropy"),
        frozenset({"create_study"}),
        "sampler",
        "{package}.samplers.TPESampler(seed={seed})",
    ),
    Library("optuna", ("os-entropy",), frozenset({"create_study"}), "study_name", '"study"'),
    Library("keras", ("hash-seed",), frozenset({"hashing_trick"}), "hash_function", '"md5"'),
)


def edited(text: str, library: Library, lines: Collection[int], seed: int) -> str | None:
    """Return ``text`` with the library's argument at the calls on these lines that lack it, or at
    all of them if none is there, because a library may draw later. None if there is no such call,
    or one that may be made more often than once and would be given a seed.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return None
    names = _names(tree, library.package)
    calls = [call for call in _calls(tree) if _is_of(call, library, names)]
    lacking = [call for call in calls if not _is_given(call, library.argument)]
    here = [call for call in lacking if any(call.lineno <= line <= _end(call) for line in lines)]
    lacking = here or lacking
    if not lacking or len(lacking) > MOST_CALLS:
        return None
    again = _made_again(tree) if library.is_seed else set()
    if any(call in again for call in lacking):
        return None
    splices = [
        _with(text, call, library, library.value.format(seed=seed, package=_root(call)))
        for call in lacking
    ]
    return parsed(splice(text, splices))


def _end(node: ast.expr) -> int:
    return node.end_lineno or node.lineno


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _names(tree: ast.AST, package: str) -> set[str]:
    """Return the names under which the script knows the package, its modules or its functions."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                if package in parts[:2]:  # tensorflow.keras
                    found.add(alias.asname or parts[0])
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                if package in (*node.module.split(".")[:2], alias.name):
                    found.add(alias.asname or alias.name)
    return found


def _is_of(call: ast.Call, library: Library, names: set[str]) -> bool:
    return last_name(call.func) in library.calls and _root(call) in names


def _root(call: ast.Call) -> str:
    """Return the first name of the called function's path; empty if it is not a path of names."""
    node = call.func
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _is_given(call: ast.Call, argument: str) -> bool:
    """Whether the call has the argument, other than None; or others that are not written out."""
    return any(
        keyword.arg is None or (keyword.arg == argument and not _is_none(keyword.value))
        for keyword in call.keywords
    )


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _made_again(tree: ast.AST) -> set[ast.AST]:
    """Return what stands in a loop, or in a function other than ``main``: it may be evaluated more
    often than once.
    """
    found: set[ast.AST] = set()
    for node in ast.walk(tree):
        function = isinstance(node, ast.FunctionDef) and node.name != "main"
        if function or isinstance(node, _LOOPS):
            found.update(ast.walk(node))
    return found


def _with(text: str, call: ast.Call, library: Library, value: str) -> Splice:
    for keyword in call.keywords:
        if keyword.arg == library.argument:
            return Splice(*span(text, keyword.value), value)
    return with_argument(text, call, f"{library.argument}={value}")

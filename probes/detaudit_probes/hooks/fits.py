"""Observing what is fitted without training steps: the estimators of scikit-learn, after every
``fit`` and ``partial_fit`` that the script calls, and the boosters of LightGBM and XGBoost, after
every round.

What was observed is compared, but these are no training steps: such a program often shows its
result only in what it prints, so that is compared as well. Nothing is added to what is computed,
and an error of these hooks is none of the script's.
"""

import functools
import hashlib
import sys
import threading
import types
from typing import Any, Callable, Dict, Iterator, List, Set, Tuple

#: Methods that fit an estimator. Those that also predict or transform call ``fit``, or do the same
#: at once.
METHODS = ("fit", "partial_fit", "fit_transform", "fit_predict")
BOOSTERS = {"lightgbm": "lightgbm.basic", "xgboost": "xgboost.core"}
#: Of a decision tree: what a node is. Its other arrays may hold memory that nobody has written.
OF_TREES = (
    "children_left",
    "children_right",
    "feature",
    "threshold",
    "value",
    "impurity",
    "n_node_samples",
)
#: Fitted all the same: the trees of histogram-based boosting, and the parts of a pipeline.
OTHER_NAMES = ("_predictors", "steps", "transformer_list")
MOST_LEAVES = 2000  # values of one estimator with a name each; the others are digested together
DEEPEST = 12

Named = Tuple[str, Any]


def record(session: Any, recorder: Any) -> None:
    hooks = _Hooks(session, recorder)
    session.after_import("sklearn.base", hooks.follow_estimators)
    for package in BOOSTERS:
        session.after_import(package, functools.partial(hooks.follow_boosters, package))
    recorder.before_the_end.append(hooks.end_booster)


class _Hooks:
    def __init__(self, session: Any, recorder: Any) -> None:
        self.session, self.recorder = session, recorder
        self._inside = False  # whether the main thread is inside of a fit that is observed
        self._booster: Any = None  # the last one that was updated; it is read when it is complete
        self._calls: Dict[str, int] = {}

    def _begins(self) -> bool:
        """Whether to observe a fit that begins now: not one inside of another, nor one in another
        thread, whose place among the others varies.
        """
        recorder = self.recorder
        return not (
            self._inside
            or recorder.left
            or recorder.paused
            or threading.current_thread() is not threading.main_thread()
        )

    def _number(self, phase: str) -> int:
        number = self._calls[phase] = self._calls.get(phase, 0) + 1
        return number

    # Estimators ---------------------------------------------------------------------------------

    def follow_estimators(self) -> None:
        """Called when the base class exists, and none of its subclasses."""
        base = sys.modules["sklearn.base"].BaseEstimator
        own = vars(base).get("__init_subclass__")

        def __init_subclass__(cls: Any, **named: Any) -> None:
            if own is not None:
                own.__func__(cls, **named)
            else:
                super(base, cls).__init_subclass__(**named)
            self._follow(cls)

        base.__init_subclass__ = classmethod(__init_subclass__)

    def _follow(self, kind: Any) -> None:
        # A class of the script itself travels to workers by value, and these hooks cannot
        if kind.__module__ == "__main__":
            return
        for name in METHODS:
            method = vars(kind).get(name)
            if isinstance(method, types.FunctionType):
                setattr(kind, name, self._around(name, method))
            elif isinstance(getattr(method, "fn", None), types.FunctionType):
                method.fn = self._around(name, method.fn)  # available under a condition

    def _around(self, name: str, original: Any) -> Any:
        @functools.wraps(original)
        def fit(estimator: Any, *arguments: Any, **named: Any) -> Any:
            if not self._begins():
                return original(estimator, *arguments, **named)
            given = self._read(functools.partial(_data, arguments, named))
            self._inside = True
            try:
                result = original(estimator, *arguments, **named)
            finally:
                self._inside = False
            learned = self._read(functools.partial(_learned, estimator))
            phase = "%s.%s" % (type(estimator).__name__, name)
            self._fitted(phase, given, learned)
            return result

        return fit

    def _read(self, values: Callable[[], List[Named]]) -> List[Named]:
        """Return the values, fingerprinted now: the next fit may change them."""
        try:
            return [(name, self.recorder.trace.take(value)) for name, value in values()]
        except Exception:  # of an estimator that keeps what cannot be read
            return []

    def _fitted(self, phase: str, given: List[Named], learned: List[Named]) -> None:
        if learned:
            rows = [("data", name, one) for name, one in given]
            rows += [("update", name, one) for name, one in learned]
            self.recorder.fitted(phase, self._number(phase), rows)

    # Boosters -----------------------------------------------------------------------------------

    def follow_boosters(self, package: str) -> None:
        """Called when LightGBM or XGBoost has been imported."""
        booster = getattr(sys.modules.get(BOOSTERS[package]), "Booster", None)
        read = {"lightgbm": _of_lightgbm, "xgboost": _of_xgboost}[package]
        for name in ("update", "boost"):
            self.session.wrap(booster, name, functools.partial(self._wrap_round, read))

    def _wrap_round(self, read: Any, original: Any) -> Any:
        def update(booster: Any, *arguments: Any, **named: Any) -> Any:
            result = original(booster, *arguments, **named)
            if not (self.recorder.left or self.recorder.paused) and _is_main():
                self._round(booster, read)
            return result

        return update

    def _round(self, booster: Any, read: Any) -> None:
        if self._booster is None or self._booster[0] is not booster:
            self.end_booster()
            self._booster = booster, read
        if self.recorder.recording:
            trees = self._read(lambda: [("trees", read(booster, last=True))])
            self._fitted("round", [], trees)

    def end_booster(self) -> None:
        """Record the last booster as a whole: all that an unrecorded run reads of it."""
        if self._booster is not None:
            (booster, read), self._booster = self._booster, None
            self._fitted("booster", [], self._read(lambda: [("trees", read(booster, last=False))]))


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()


def _of_lightgbm(booster: Any, last: bool) -> str:
    """Return the trees of the last round, or all; the numbers in the text are exact."""
    start = booster.current_iteration() - 1 if last else 0
    text = str(booster.model_to_string(num_iteration=1 if last else -1, start_iteration=start))
    return text.partition("\nparameters:")[0]


def _of_xgboost(booster: Any, last: bool) -> Any:
    import numpy

    some = booster
    if last and hasattr(booster, "num_boosted_rounds") and booster.num_boosted_rounds():
        try:
            some = booster[booster.num_boosted_rounds() - 1 :]
        except ValueError:  # XGBoost's: a linear booster has no trees
            pass
    return numpy.frombuffer(some.save_raw("ubj"), dtype="uint8")


# Reading ------------------------------------------------------------------------------------------


def _data(arguments: Any, named: Dict[str, Any]) -> List[Named]:
    """Return what a fit is given: the arrays, by position or name."""
    import numpy

    given = [*(("argument %d" % place, one) for place, one in enumerate(arguments))]
    given += list(named.items())
    given = [(name, numpy.asarray(one) if isinstance(one, list) else one) for name, one in given]
    return list(_leaves(given, set(), arrays=True))


def _learned(estimator: Any) -> List[Named]:
    """Return what an estimator has learned: the attributes that end in an underscore, as
    scikit-learn has them; of somebody else's estimators only arrays.
    """
    arrays = not type(estimator).__module__.startswith("sklearn.")
    found = list(_leaves(_attributes(estimator), {id(estimator)}, arrays))
    if len(found) <= MOST_LEAVES:
        return found
    return found[:MOST_LEAVES] + [("the rest", _digest(found[MOST_LEAVES:]))]


def _digest(named: List[Named]) -> str:
    from detaudit_probes.recording import fingerprint

    state = hashlib.sha256()
    for name, value in named:
        header, data = fingerprint.canonical(value)
        state.update(name.encode("utf-8", "surrogatepass") + header + data)
    return state.hexdigest()


def _attributes(owner: Any) -> List[Named]:
    return [
        (name, value)
        for name, value in sorted(getattr(owner, "__dict__", {}).items())
        if (name.endswith("_") and not name.startswith("_")) or name in OTHER_NAMES
    ]


def _leaves(
    named: List[Named], seen: Set[int], arrays: bool = False, deep: int = 0
) -> Iterator[Named]:
    """Yield the numbers, strings and arrays in ``named``, or only the ``arrays``, each with its
    name. Durations are left out, which scikit-learn names as times.
    """
    import numpy

    for name, value in named:
        if "time" in name.rpartition(".")[2]:
            continue
        if isinstance(value, numpy.ndarray):
            yield from _of_array(name, value, seen, arrays, deep)
        elif isinstance(value, (bool, int, float, complex, str, numpy.generic)):
            if not arrays:
                yield name, value
        elif deep < DEEPEST and id(value) not in seen:
            seen.add(id(value))
            yield from _leaves(_parts(name, value), seen, arrays, deep + 1)


def _of_array(name: str, value: Any, seen: Set[int], arrays: bool, deep: int) -> Iterator[Named]:
    if value.dtype.names:
        # Field by field: between two fields there may be memory that nobody has written
        yield from (("%s.%s" % (name, field), value[field]) for field in value.dtype.names)
    elif value.dtype.kind != "O" or all(isinstance(one, str) for one in value.ravel().tolist()):
        yield name, value
    elif deep < DEEPEST and id(value) not in seen:
        seen.add(id(value))
        yield from _leaves(_parts(name, value.ravel().tolist()), seen, arrays, deep + 1)


def _parts(name: str, value: Any) -> List[Named]:
    """Return the parts of a list, a dictionary, a sparse matrix, a table, a tree or an estimator;
    nothing of other objects.
    """
    if isinstance(value, dict):
        found = sorted(((str(key), one) for key, one in value.items()), key=lambda item: item[0])
        return [("%s.%s" % (name, key), one) for key, one in found]
    if isinstance(value, (list, tuple)):
        return [("%s[%d]" % (name, place), one) for place, one in enumerate(value)]
    if isinstance(value, (set, frozenset)):
        return [
            ("%s[%d]" % (name, place), one) for place, one in enumerate(sorted(map(str, value)))
        ]
    if all(hasattr(value, part) for part in OF_TREES):
        return [("%s.%s" % (name, part), getattr(value, part)) for part in OF_TREES]
    if hasattr(value, "tocoo"):
        made = value.tocoo()
        return [("%s.%s" % (name, part), getattr(made, part)) for part in ("row", "col", "data")]
    if hasattr(value, "to_numpy"):
        return [(name, value.to_numpy())]
    if hasattr(value, "nodes"):  # a tree of histogram-based boosting
        return [("%s.nodes" % name, value.nodes)]
    return [("%s.%s" % (name, part), one) for part, one in _attributes(value)]

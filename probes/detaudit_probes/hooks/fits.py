"""Observing what is fitted without training steps: the estimators of scikit-learn, after every
``fit`` and ``partial_fit`` that the script calls, and the boosters of LightGBM and XGBoost, after
every round.

What was learned is compared, but these are no training steps: such a program often shows its result
only in what it prints, so that is compared as well. Arrays are observations in the order of the
fits. A single number may be a time, which only an experiment shows, so it is compared as a number
in a saved file is. The data of a fit decides nothing: it shows where a difference comes from.
Nothing is added to what is computed, and a value that cannot be read is left out.
"""

import functools
import re
import sys
import threading
import types
import weakref
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from detaudit_probes.contents import leaves
from detaudit_probes.protocol import Leaf
from detaudit_probes.recording import fingerprint

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
#: Of a tree of histogram-based boosting.
OF_HISTOGRAMS = ("nodes", "binned_left_cat_bitsets", "raw_left_cat_bitsets")
#: Learned, although their names do not end in an underscore: the trees of histogram-based boosting,
#: the data that a nearest-neighbour model keeps, a support vector machine's probabilities, and the
#: parts of a pipeline.
OTHER_NAMES = ("_predictors", "_fit_X", "_y", "_probA", "_probB", "steps", "transformer_list")
#: The attributes, and the keys of ``cv_results_``, that hold seconds, or that follow from scores.
NO_RESULT = re.compile(r"(?:.*[.])?(?:refit_time_|(?:mean_|std_)?(?:fit|score)_time|rank_test_\w+)")
MOST_LEAVES = 2000  # values of one estimator with a name each; the others are digested together
NUMBERS = "bhilqfd"  # NumPy's letters for the types of arrays that may hold times
MOST_ELEMENTS = 1000  # elements of an array, and entries of a dictionary, that may be times
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
MOST_NUMBERS = 10000  # single numbers of a run; the others are not read
MOST_BYTES = 1 << 30  # of the data of a fit; more is not read
DEEPEST = 12
OF_THREAD = 0  # the number of a booster that another thread updates

Values = List[Tuple[str, Any]]


def record(session: Any, recorder: Any) -> None:
    hooks = _Hooks(session, recorder)
    _OF_THIS_PROCESS.append(hooks)
    session.after_import("sklearn.base", hooks.follow_estimators)
    for package in BOOSTERS:
        session.after_import(package, functools.partial(hooks.follow_boosters, package))
    recorder.before_the_end.append(hooks.end)


#: The hooks of this process. A method that travels to a worker finds the worker's, or none.
_OF_THIS_PROCESS: List["_Hooks"] = []


class _Booster:
    """A booster that has been updated: which one it is, how often, and how it is read."""

    def __init__(self, number: int, booster: Any, read: Any) -> None:
        self.number, self.rounds, self.read = number, 0, read
        self.reference = weakref.ref(booster)


class _Hooks:
    def __init__(self, session: Any, recorder: Any) -> None:
        self.session, self.recorder = session, recorder
        self._inside = False  # whether the main thread is inside of a fit that is observed
        self._of_thread = threading.local()  # whether it is inside of a fit, or of a round
        self._calls: Dict[str, int] = {}
        self._boosters: Dict[int, _Booster] = {}  # by id, as long as they exist
        self._numbered = 0  # boosters so far
        self._whole: Dict[int, Values] = {}  # what each has learned, by its number
        self._room = MOST_NUMBERS

    # Estimators ---------------------------------------------------------------------------------

    def follow_estimators(self) -> None:
        """Called when the base class exists. In a forked run, subclasses of it exist already."""
        base = sys.modules["sklearn.base"].BaseEstimator
        own = vars(base).get("__init_subclass__")

        def __init_subclass__(cls: Any, **named: Any) -> None:
            if own is not None:
                own.__func__(cls, **named)
            else:
                super(base, cls).__init_subclass__(**named)
            self._follow(cls)

        base.__init_subclass__ = classmethod(__init_subclass__)
        for kind in _subclasses(base):
            self._follow(kind)

    def _follow(self, kind: Any) -> None:
        for name in METHODS:
            method = vars(kind).get(name)
            if isinstance(method, types.FunctionType):
                setattr(kind, name, _wrapped(name, method))
            elif isinstance(getattr(method, "fn", None), types.FunctionType):
                method.fn = _wrapped(name, method.fn)  # available under a condition

    def fit(self, name: str, original: Any, arguments: Any, named: Any) -> Any:
        """Call a method that fits, and observe it if it is the outermost one."""
        if not self.recorder.follows_here and arguments:
            return self._fit_in_thread(name, original, arguments, named)
        if self._inside or not arguments:
            return original(*arguments, **named)
        estimator, data = arguments[0], []  # type: Any, Values
        if self.recorder.recording:
            self.recorder.generators("at a fit")  # from which it may draw
            data = self._taken(functools.partial(data_of, arguments[1:], named))
        before = dict(getattr(estimator, "__dict__", {}))
        self._inside = True
        try:
            result = original(*arguments, **named)
        finally:
            self._inside = False
        phase = "%s.%s" % (type(estimator).__name__, name)
        number = self._calls[phase] = self._calls.get(phase, 0) + 1
        reader = Reader(estimator, before, self._room)
        learned = self._taken(reader.learned)
        self._room -= len(reader.numbers)
        # What only transforms is no model: a script that fits nothing else is not judged by it.
        # Asked of the class: a property of the script's own may raise.
        is_model = hasattr(type(estimator), "predict")
        self.recorder.fitted(phase, number, data, learned, reader.numbers, is_model)
        return result

    def _fit_in_thread(self, name: str, original: Any, arguments: Any, named: Any) -> Any:
        """Call a method that fits in another thread. Its place among the other fits varies, and its
        single numbers may be times, so these are not compared.
        """
        if getattr(self._of_thread, "fits", False) or not self.recorder.follows_thread:
            return original(*arguments, **named)
        before = dict(getattr(arguments[0], "__dict__", {}))
        self._of_thread.fits = True
        try:
            result = original(*arguments, **named)
        finally:
            self._of_thread.fits = False
        learned = self._taken(Reader(arguments[0], before, MOST_NUMBERS).learned)
        self.recorder.fitted_in_thread("%s.%s" % (type(arguments[0]).__name__, name), learned)
        return result

    def _taken(self, values: Callable[[], Values]) -> Values:
        """Return the values, fingerprinted now: the next fit may change them."""
        try:
            return [(name, self.recorder.trace.take(value)) for name, value in values()]
        except Exception:  # of an object that cannot be read
            return []

    # Boosters -----------------------------------------------------------------------------------

    def follow_boosters(self, package: str) -> None:
        """Called when LightGBM or XGBoost has been imported."""
        booster = getattr(sys.modules.get(BOOSTERS[package]), "Booster", None)
        read = {"lightgbm": trees_of_lightgbm, "xgboost": trees_of_xgboost}[package]
        for name in ("update", "boost"):
            self.session.wrap(booster, name, functools.partial(self._wrap_round, read))
        self.session.wrap(booster, "__del__", self._wrap_del)

    def _wrap_round(self, read: Any, original: Any) -> Any:
        def update(booster: Any, *arguments: Any, **named: Any) -> Any:
            if getattr(self._of_thread, "round", False):  # one method may call the other
                return original(booster, *arguments, **named)
            self._of_thread.round = True
            try:
                result = original(booster, *arguments, **named)
            finally:
                self._of_thread.round = False
            if self.recorder.follows_here:
                self._end_round(booster, read)
            elif self.recorder.follows_thread:
                self._boosters.setdefault(id(booster), _Booster(OF_THREAD, booster, read))
            return result

        return update

    def _end_round(self, booster: Any, read: Any) -> None:
        known = self._boosters.get(id(booster))
        if known is None:
            self._numbered += 1
            known = self._boosters[id(booster)] = _Booster(self._numbered, booster, read)
        known.rounds += 1
        if self.recorder.recording:
            trees = self._taken(lambda: [("trees", read(booster, last=True))])
            self.recorder.trace.fit("booster %d, round" % known.number, known.rounds, [], trees)

    def _wrap_del(self, original: Any) -> Any:
        def __del__(booster: Any) -> None:
            known = self._boosters.pop(id(booster), None)
            if known is not None:
                self._end_booster(known, booster)
            original(booster)

        return __del__

    def _end_booster(self, known: _Booster, booster: Any) -> None:
        """Read a booster as a whole: all that an unrecorded run reads of it. It is recorded at the
        end, because it may be collected in the middle of anything.
        """
        if not self.recorder.left:
            trees = self._taken(lambda: [("trees", known.read(booster, last=False))])
            if known.number == OF_THREAD:
                self.recorder.fitted_in_thread("booster", trees)
            else:
                self._whole[known.number] = trees

    def end(self) -> None:
        known, self._boosters = self._boosters, {}
        for one in known.values():
            booster = one.reference()
            if booster is not None:
                self._end_booster(one, booster)
        whole, self._whole = self._whole, {}  # this may not be the end: ``exec`` can fail
        for number, trees in sorted(whole.items()):
            self.recorder.fitted("booster", number, [], trees, [], True)


def _wrapped(name: str, original: Any) -> Any:
    @functools.wraps(original)
    def fit(*arguments: Any, **named: Any) -> Any:
        # Imported here: with its class, this function may travel to a worker by value
        try:
            from detaudit_probes.hooks import fits

            hooks = fits._OF_THIS_PROCESS
        except ImportError:
            hooks = []
        if not hooks:
            return original(*arguments, **named)
        return hooks[-1].fit(name, original, arguments, named)

    return fit


def _subclasses(kind: Any) -> List[Any]:
    found = list(type.__subclasses__(kind))
    return found + [one for each in found for one in _subclasses(each)]


def trees_of_lightgbm(booster: Any, last: bool) -> str:
    """Return the trees of the last round, or all; the numbers in the text are exact."""
    start = booster.current_iteration() - 1 if last else 0
    text = str(booster.model_to_string(num_iteration=1 if last else -1, start_iteration=start))
    return text.partition("\nparameters:")[0]


def trees_of_xgboost(booster: Any, last: bool) -> str:
    """Like :func:`trees_of_lightgbm`; attributes that a script gives a booster are not learned."""
    some = booster
    if last and hasattr(booster, "num_boosted_rounds") and booster.num_boosted_rounds():
        try:
            some = booster[booster.num_boosted_rounds() - 1 :]
        except ValueError:  # XGBoost's: a linear booster has no trees
            pass
    return "\n".join(some.get_dump(with_stats=True, dump_format="json"))


# Data ---------------------------------------------------------------------------------------------


def data_of(arguments: Any, named: Dict[str, Any]) -> Values:
    """Return the arrays that a fit is called with, by position or name; none if not all of its
    arguments can be read as arrays of numbers.
    """
    given = [("argument %d" % place, one) for place, one in enumerate(arguments)]
    found: Values = []
    for name, value in given + sorted(named.items()):
        arrays = _arrays(name, value)
        if arrays is None:
            return []
        found += arrays
    return found if sum(value.nbytes for _, value in found) <= MOST_BYTES else []


def _arrays(name: str, value: Any) -> Optional[Values]:
    import numpy

    if value is None or isinstance(value, (bool, int, float)):
        return []
    if isinstance(value, numpy.ndarray):
        return [(name, value)] if _is_numeric(value) else None
    if hasattr(value, "tocoo"):
        return [(name + part, one) for part, one in _of_sparse(value)]
    if hasattr(value, "iloc") and hasattr(value, "columns"):
        columns = [value.iloc[:, place] for place in range(len(value.columns))]
        if not all(map(_is_numeric, columns)):
            return None
        return [("%s[%d]" % (name, at), one.to_numpy()) for at, one in enumerate(columns)]
    if hasattr(value, "to_numpy"):
        return [(name, value.to_numpy())] if _is_numeric(value) else None
    first = value[0] if isinstance(value, list) and value else None
    while isinstance(first, (list, tuple)) and first:
        first = first[0]
    if isinstance(first, (bool, int, float, numpy.generic)):
        made = numpy.asarray(value)
        return [(name, made)] if _is_numeric(made) else None
    return None


def _of_sparse(matrix: Any) -> Values:
    entries = matrix.tocoo()
    return [(".%s" % part, getattr(entries, part)) for part in ("row", "col", "data")]


def _is_numeric(column: Any) -> bool:
    import numpy

    return isinstance(column.dtype, numpy.dtype) and column.dtype.kind in "biufc"


# What was learned ---------------------------------------------------------------------------------


class Reader:
    """Reads what an ``estimator`` has learned: its attributes that end in an underscore, as
    scikit-learn names them, and those of the estimators inside.

    Single ``numbers`` are kept apart, and so are small arrays in a dictionary, such as the scores
    of a search, and small arrays and texts of somebody else's estimator: they may be times. What it
    had ``before``, such as a duration that the script keeps there, is not learned.
    """

    def __init__(self, estimator: Any, before: Dict[str, Any], room: int) -> None:
        """At most ``room`` single numbers are read; after them, arrays are compared as a whole, and
        single values are left out.
        """
        self._estimator, self._before, self._room = estimator, before, room
        self.numbers: List[Leaf] = []
        self._seen: Dict[int, Any] = {}  # kept alive, so that no id is used twice

    def learned(self) -> Values:
        """Return the values that cannot be times, each with its name; read the ``numbers`` too."""
        found = list(self._values("", self._estimator, False, 0))
        if len(found) <= MOST_LEAVES:
            return found
        rest = [fingerprint.canonical(one) for named in found[MOST_LEAVES:] for one in named]
        return found[:MOST_LEAVES] + [("the rest", fingerprint.sha256(rest))]

    def _values(
        self, name: str, value: Any, measured: bool, deep: int
    ) -> Iterator[Tuple[str, Any]]:
        """Yield the values in ``value``, each with its name. If ``measured``, its arrays and texts
        may be times.
        """
        import numpy

        if NO_RESULT.fullmatch(name):
            return
        if isinstance(value, (bool, int, float, complex, str, numpy.generic)):
            if not (name in self._before and self._before[name] is value):
                yield from self._single(name, value, measured)
        elif isinstance(value, numpy.ma.MaskedArray):
            # Under the mask there may be memory that nobody has written
            yield name + ".mask", numpy.ma.getmaskarray(value)
            yield from self._values(name, value.compressed(), measured, deep + 1)
        elif isinstance(value, numpy.ndarray) and value.dtype.names:
            # Field by field: between two fields there may be memory that nobody has written
            yield from (("%s.%s" % (name, field), value[field]) for field in value.dtype.names)
        elif isinstance(value, numpy.ndarray) and value.dtype.kind != "O":
            may_be_times = measured and value.dtype.char in NUMBERS
            if may_be_times and value.size <= min(MOST_ELEMENTS, self._left()):
                for place, one in enumerate(value.ravel().tolist()):
                    self.numbers.append(leaves.number("%s[%d]" % (name, place), repr(one)))
            elif measured and value.dtype.kind in "mM" and self._left():
                self.numbers.append(leaves.text(name, " ".join(map(str, value.ravel()))))
            else:
                yield name, value
        elif deep < DEEPEST and id(value) not in self._seen:
            self._seen[id(value)] = value
            measured = measured or isinstance(value, dict) or _is_foreign(value)
            for part, one in _parts(value):
                yield from self._values((name + part).lstrip("."), one, measured, deep + 1)

    def _single(self, name: str, value: Any, measured: bool) -> Iterator[Tuple[str, Any]]:
        import numpy

        plain = value.item() if isinstance(value, numpy.generic) else value
        is_number = isinstance(plain, (int, float)) and not isinstance(plain, bool)
        is_text = measured and isinstance(value, (str, numpy.datetime64, numpy.timedelta64))
        if not is_number and not is_text:
            yield name, value
        elif self._left():
            leaf = leaves.number(name, repr(plain)) if is_number else leaves.text(name, str(value))
            self.numbers.append(leaf)

    def _left(self) -> int:
        return self._room - len(self.numbers)


def _is_foreign(value: Any) -> bool:
    return hasattr(value, "get_params") and not type(value).__module__.startswith("sklearn.")


def _parts(value: Any) -> Values:
    """Return the parts of a list, a dictionary, a sparse matrix, a tree or an estimator, each with
    what is added to the name; nothing of other objects.
    """
    import numpy

    if isinstance(value, dict):
        return _parts_of_dict(value)
    if isinstance(value, numpy.ndarray):
        value = value.ravel().tolist()
    if isinstance(value, (list, tuple)):
        return [("[%d]" % place, one) for place, one in enumerate(value)]
    if isinstance(value, (set, frozenset)):
        return [(".elements", _bytes("\n".join(sorted(map(_without_address, value)))))]
    if hasattr(value, "iloc") and hasattr(value, "to_numpy"):
        return _arrays("", value) or []
    if hasattr(value, "tocoo"):
        return _of_sparse(value)
    for names, needed in ((OF_TREES, OF_TREES), (OF_HISTOGRAMS, OF_HISTOGRAMS[:1])):
        if all(hasattr(value, one) for one in needed):
            return [(".%s" % one, getattr(value, one)) for one in names if hasattr(value, one)]
    # A part of an estimator that is none itself: scikit-learn's, or of a class of the script's own
    own = type(value).__module__ == "__main__" or type(value).__module__.startswith("sklearn.")
    whole = own and not hasattr(value, "get_params")
    return [
        (".%s" % name, one)
        for name, one in sorted(getattr(value, "__dict__", {}).items())
        if (name.endswith("_") and not name.startswith("_"))
        or name in OTHER_NAMES
        or (whole and not name.startswith("_"))
    ]


def _parts_of_dict(value: Dict[Any, Any]) -> Values:
    """The keys of a vocabulary are learned, and may be private: they are no names."""
    import numpy

    items = sorted(
        ((_without_address(key), one) for key, one in value.items()), key=lambda item: item[0]
    )
    if all(isinstance(one, (bool, int, float, str, numpy.generic)) for _, one in items):
        values = [one.item() if isinstance(one, numpy.generic) else one for _, one in items]
        few = len(values) <= MOST_ELEMENTS
        keys = _bytes("\n".join(key for key, _ in items))
        return [(".keys", keys), (".values", values if few else _bytes(repr(values)))]
    return [(".%s" % key, one) for key, one in items]


def _without_address(value: Any) -> str:
    """Return a value as text, without the address that Python prints of an object."""
    return ADDRESS.sub("", str(value))


def _bytes(text: str) -> Any:
    import numpy

    return numpy.frombuffer(text.encode("utf-8", "surrogatepass"), dtype="u1")

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
import sys
import threading
import types
import weakref
from typing import Any, Callable, Dict, List

from detaudit_probes.hooks.learned import Reader, Values, data_of

#: Methods that fit an estimator. Those that also predict or transform call ``fit``, or do the same
#: at once.
METHODS = ("fit", "partial_fit", "fit_transform", "fit_predict")
BOOSTERS = {"lightgbm": "lightgbm.basic", "xgboost": "xgboost.core"}
MOST_NUMBERS = 10000  # single numbers of a run; the others are not read
OF_THREAD = 0  # the number of a booster that another thread updates


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

"""What is fitted without training steps, by scikit-learn, LightGBM and XGBoost: it is observed, and
nothing is added to what is computed.

LightGBM and XGBoost are tried where they are installed beside the tests, or in the interpreter that
``_DETAUDIT_LIGHTGBM_PYTHON`` or ``_DETAUDIT_XGBOOST_PYTHON`` names.
"""

import pytest
from detaudit.commands.run.judging import compare_last, compare_trainings
from detaudit.commands.run.origin import origin, suspects
from detaudit.core.condition import Condition
from detaudit.core.divergence import Divergence, Match

from tests.frameworks.replaying import runs_of
from tests.interpreters import with_backend
from tests.slow import slow

pytestmark = pytest.mark.framework

DATA = """
import os, sys
import numpy as np
rng = np.random.default_rng(1)
x = rng.normal(size=(200, 4))
y = (x[:, 0] + x[:, 1] > 0).astype(int)
noise = int.from_bytes(os.urandom(4), "little")
FAULT = sys.argv[1]
"""
ESTIMATORS = (
    DATA
    + """
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

if FAULT == "data":
    x[3, 1] += noise * 1e-9
pipeline = make_pipeline(StandardScaler(), SGDClassifier(random_state=1)).fit(x, y)
search = GridSearchCV(SGDClassifier(random_state=1), {"alpha": [1e-4, 1e-3]}, cv=3).fit(x, y)
online = SGDClassifier(random_state=1)
for number in range(4):
    online.partial_fit(x[50 * number:][:50], y[50 * number:][:50], classes=[0, 1])
    if FAULT == "between" and number == 1:
        online.coef_[0, 0] += 1e-3 * noise
boosted = HistGradientBoostingClassifier(max_iter=3, random_state=noise if FAULT == "boosted" else 1,
                                         early_stopping=True).fit(x, y)
if FAULT == "drawn":
    SGDClassifier().fit(x, y)
forest = RandomForestClassifier(4, n_jobs=2, random_state=noise if FAULT == "forest" else 1).fit(x, y)
print("%.0f" % forest.score(x, y))
"""
)
TRANSFORMER = """
from sklearn.preprocessing import StandardScaler
StandardScaler().fit(x)
"""
LIGHTGBM = (
    DATA
    + """
import lightgbm
def fault(environment):
    if FAULT == "round" and environment.iteration == 2:
        environment.model.reset_parameter({"learning_rate": 0.1 + noise * 1e-12})
fault.before_iteration = True
data = lightgbm.Dataset(x, y, weight=1 + 1e-9 * noise * (FAULT == "weights") * np.arange(200))
lightgbm.train({"objective": "binary", "verbose": -1}, data, 5, callbacks=[fault])
lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(x, y)
"""
)
XGBOOST = (
    DATA
    + """
import xgboost
data = xgboost.DMatrix(x, y)
booster = xgboost.Booster({"max_depth": 3, "objective": "binary:logistic"}, [data])
for number in range(5):
    if FAULT == "round" and number == 2:
        booster.set_param({"eta": 0.1 + noise * 1e-11})
    booster.update(data, number)
xgboost.XGBClassifier(n_estimators=3).fit(x, y)
"""
)


@pytest.fixture
def run(tmp_path):
    def several(text, fault="", python=None, number=2, **options):
        folder = tmp_path / (f"{fault or 'none'}{len(list(tmp_path.iterdir()))}")
        folder.mkdir()
        script = folder / "train.py"
        script.write_text(text)
        condition = Condition("tensorflow", "auto", script.name, 1).with_orders(**options)
        python = python or with_backend("sklearn")
        return runs_of(script, (fault,), python, condition, number, folder / "runs", {})

    return several


def unchanged(run, text, python=None):
    """The traces of a recorded and an unrecorded run, which match."""
    recorded, again = (one.trace for one in run(text, python=python))
    unrecorded, other = (one.trace for one in run(text, python=python, record=False))
    assert isinstance(compare_trainings(recorded, again), Match)
    assert isinstance(compare_last(unrecorded, other), Match)
    assert recorded.fitted == again.fitted == unrecorded.fitted == other.fitted is not None
    assert recorded.stdout(100) == unrecorded.stdout(100)
    assert not recorded.trained and not recorded.steps() and unrecorded.observations() == 0
    return recorded


def phases(trace):
    """How often each phase was observed."""
    tables = [table for table in trace.tables if table.kind == "fits"]
    assert all(table.phase.startswith("data of ") for table in trace.tables if table.kind == "data")
    return {
        name: sum(len(table.sequence) for table in tables if table.phase == name)
        for name in dict.fromkeys(table.phase for table in tables)
    }


def test_what_scikit_learn_fits_is_observed_and_not_changed(run):
    recorded = unchanged(run, ESTIMATORS)
    assert phases(recorded) == {
        "Pipeline.fit": 1,
        "GridSearchCV.fit": 1,
        "SGDClassifier.partial_fit": 4,
        "HistGradientBoostingClassifier.fit": 1,
        "RandomForestClassifier.fit": 1,
    }
    names = [name for table in recorded.tables for _, name in table.columns]
    assert "best_estimator_.coef_" in names and "estimators_[3].tree_.threshold" in names
    assert not [name for name in names if "fit_time" in name or "refit_time" in name]
    assert recorded.measures.fits == 8
    # What only transforms is no model
    (recorded,) = run(DATA + TRANSFORMER, number=1)
    assert phases(recorded.trace) == {"StandardScaler.fit": 1} and not recorded.trace.measures.fits


@pytest.mark.parametrize(
    ("fault", "stage", "name", "said"),
    [
        ("data", "update", "Pipeline.fit 1: steps[0]", "the data of this fit already differed"),
        pytest.param(
            *("between", "update", "SGDClassifier.partial_fit 3: coef_", "was equal"), marks=slow
        ),
        pytest.param(
            *("boosted", "update", "HistGradientBoostingClassifier.fit 1: ", "was equal"),
            marks=slow,
        ),
        ("drawn", "update", "SGDClassifier.fit 1: coef_", "was equal"),
        ("forest", "update", "RandomForestClassifier.fit 1: estimators_[0].", "was equal"),
    ],
)
def test_a_fault_is_named_by_the_fit_in_which_it_shows(run, fault, stage, name, said):
    runs = run(ESTIMATORS, fault)
    left, right = (one.trace for one in runs)
    found = compare_trainings(left, right)
    assert isinstance(found, Divergence) and (found.stage, found.step) == (stage, None)
    assert ("numpy-legacy" in suspects(runs)) == (fault == "drawn")
    assert found.name.startswith(name) and said in origin(runs)
    if fault in ("boosted", "forest"):
        unrecorded = run(ESTIMATORS, fault, record=False)
        last = compare_last(*(one.trace for one in unrecorded))
        assert isinstance(last, Divergence) and last.name == "the fitted models"


EQUAL = (
    DATA
    + """
import time
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV, cross_validate

class Part:
    def __init__(self):
        self.weights = np.arange(70.0) + noise * (FAULT == "part")

class Own(ClassifierMixin, BaseEstimator):
    @property
    def predict(self):
        raise NotImplementedError

    def fit(self, x, y):
        self.scores_ = cross_validate(LogisticRegression(), x, y, cv=2)
        self.when_, self.known_ = np.datetime64("now"), {len: 1, object(): 2}
        self.laps_, self.part_ = np.full(100, time.time()), Part()
        self.cut_, self.levels_ = 0.25 + noise * (FAULT == "number"), {"low": 1, "high": 2.5}
        self.sums_ = np.cumsum(x, axis=0, dtype=np.longdouble)
        if FAULT == "own":
            self.w_ = np.full(3, noise)
        return self

GridSearchCV(LogisticRegression(), [{"C": [0.1, 1.0]}, {"tol": [1e-2, 1e-3]}], cv=2).fit(x, y)
model, began = SGDClassifier(random_state=1), time.time()
for _ in range(2):
    model.partial_fit(x, y, classes=[0, 1])
    model.elapsed_ = time.time() - began
Own().fit(x, y)
"""
)


@slow
def test_times_and_memory_that_nobody_has_written_are_not_learned(run):
    text = EQUAL.replace("time.time())", "0.0)").replace('"now"', '"2026-11-30"')
    recorded = unchanged(run, text)
    names = [name for table in recorded.tables for _, name in table.columns]
    assert "cv_results_.param_C.mask" in names and "sums_" in names
    assert not [name for name in names if "elapsed" in name or "_time" in name]
    for fault, name in (("own", "w_[0]"), ("part", "part_.weights[0]")):
        found = compare_trainings(*(one.trace for one in run(text, fault)))
        assert isinstance(found, Divergence) and found.name == f"Own.fit 1, {name}"


def test_single_numbers_are_compared_as_those_of_saved_files_are(run):
    (recorded,) = run(EQUAL, number=1)
    learned = {
        (one.name, leaf.place): leaf.text
        for one in recorded.trace.measures.learned
        for leaf in one.leaves
    }
    assert learned["Own.fit 1", "cut_"] == "0.25" and learned["Own.fit 1", "levels_.values[1]"]
    assert learned["GridSearchCV.fit 1", "cv_results_.mean_test_score[0]"]
    assert not [place for _, place in learned if "rank_" in place or "_time" in place]
    for record in (True, False):
        runs = run(EQUAL.replace('"now"', '"2026-11-30"'), "number", record=record)
        left, right = (one.trace for one in runs)
        found = (compare_trainings if record else compare_last)(left, right)
        assert isinstance(found, Divergence) and found.name == "Own.fit 1, cut_"
        assert not record or "the data of this fit was equal" in origin(runs)


AFTER_EXEC = (
    DATA
    + """
from sklearn.linear_model import LinearRegression
LinearRegression().fit(x, y + (noise if FAULT == os.environ.get("AGAIN", "first") else 0))
if "AGAIN" not in os.environ:
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "AGAIN": "second"})
"""
)


@slow
def test_what_two_programs_of_one_process_fit_is_told_apart(run):
    recorded = unchanged(run, AFTER_EXEC)
    names = [one.name for one in recorded.measures.learned]
    assert names == ["LinearRegression.fit 1", "LinearRegression.fit, program 2 1"]
    for fault, name in zip(("first", "second"), names, strict=True):
        found = compare_trainings(*(one.trace for one in run(AFTER_EXEC, fault)))
        assert isinstance(found, Divergence)
        # Rounding decides whether the noise shows in the coefficients too
        assert found.name in (f"{name}: coef_", f"{name}, intercept_")


MANY = (
    DATA
    + """
from sklearn.base import BaseEstimator
class Own(BaseEstimator):
    def partial_fit(self, x):
        self.count_ = getattr(self, "count_", 0) + 1
        self.w_ = np.arange(500.0) + noise * (FAULT == "late" and self.count_ == 30)
model = Own()
for _ in range(30):
    model.partial_fit(x)
"""
)


def test_after_many_numbers_arrays_are_still_compared(run):
    found = compare_trainings(*(one.trace for one in run(MANY, "late")))
    assert isinstance(found, Divergence) and found.name == "Own.partial_fit 30: w_"


BESIDE = (
    DATA
    + """
from concurrent.futures import ThreadPoolExecutor
from sklearn.tree import DecisionTreeClassifier

def fit(number):
    state = noise if FAULT == "beside" and number == 2 else number
    return DecisionTreeClassifier(splitter="random", random_state=state).fit(x, y)

with ThreadPoolExecutor(3) as pool:
    print(len(list(pool.map(fit, range(6)))))
"""
)


def test_fits_in_other_threads_are_compared_in_whatever_order_they_end(run):
    recorded = unchanged(run, BESIDE)
    assert phases(recorded) == {"fits in other threads": 1}
    found = compare_trainings(*(one.trace for one in run(BESIDE, "beside")))
    assert isinstance(found, Divergence) and found.name == "fits in other threads 1: models"


@pytest.mark.parametrize(
    ("package", "text"), [("lightgbm", LIGHTGBM), pytest.param("xgboost", XGBOOST, marks=slow)]
)
def test_the_rounds_of_boosters_are_observed_and_not_changed(run, package, text):
    python = with_backend(package)
    recorded = unchanged(run, text, python)
    rounds = {"booster 1, round": 5, "booster 2, round": 3, "booster": 2}
    assert rounds.items() <= phases(recorded).items()
    left, right = (one.trace for one in run(text, "round", python))
    found = compare_trainings(left, right)
    assert isinstance(found, Divergence) and found.name == "booster 1, round 3: trees"
    last = compare_last(*(one.trace for one in run(text, "round", python, record=False)))
    assert isinstance(last, Divergence) and last.name == "the fitted models"

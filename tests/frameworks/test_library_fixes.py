"""Each argument of a library that a fix may write is run: without it, programs end differently, and
with it alike. Only detaudit's edits are applied; detaudit itself does not run.
"""

import ast
import os
import subprocess

import pytest
from detaudit.commands.run import edits, libraries
from detaudit_probes.libraries import LIBRARIES
from detaudit_probes.sources import library_threads

from tests.interpreters import with_backend
from tests.slow import slow

pytestmark = [pytest.mark.framework, slow]

FOREST = """
import numpy as np
from sklearn.ensemble import RandomForestClassifier
x = np.random.RandomState(0).normal(size=(60, 3))
model = RandomForestClassifier(5).fit(x, x[:, 0] > 0)
print(model.predict_proba(x).tolist())
"""
SEARCH = """
import optuna
optuna.logging.set_verbosity(optuna.logging.ERROR)
study = optuna.create_study()
study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
print([trial.params for trial in study.trials])
"""
SAMPLED = SEARCH.replace("create_study()", "create_study(sampler=optuna.samplers.RandomSampler())")
#: A second run reads the trials of the first, and draws less.
TUNED = """
import keras
import keras_tuner
import numpy as np
keras.utils.set_random_seed(3)
x = np.random.normal(size=(40, 2))
def build(hp):
    model = keras.Sequential([keras.layers.Dense(hp.Int("units", 2, 9)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model
tuner = keras_tuner.RandomSearch(build, "loss", max_trials=2, seed=3, directory="tuning")
tuner.search(x, x[:, :1], verbose=0)
model = build(tuner.get_best_hyperparameters()[0])
model.fit(x, x[:, :1], verbose=0)
print(model.evaluate(x, x[:, :1], verbose=0))
"""
#: A pruner that takes a bracket by the hash of the study's name.
NAMED = """
import optuna
optuna.logging.set_verbosity(optuna.logging.ERROR)
study = optuna.create_study(
    sampler=optuna.samplers.TPESampler(seed=1),
    pruner=optuna.pruners.HyperbandPruner(max_resource=9, reduction_factor=3),
)
def objective(trial):
    for step in range(9):
        trial.report(trial.suggest_float("x", 0, 1) / (step + 1), step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return 1.0
study.optimize(objective, n_trials=30)
print([(trial.state.name, len(trial.intermediate_values)) for trial in study.trials])
"""
HASHED = """
from tensorflow import keras
print(keras.preprocessing.text.hashing_trick("the quick brown fox", 1000))
"""
TEXTS = """
import numpy as np
rng = np.random.default_rng(4)
texts = [[f"w{k}" for k in rng.integers(0, 30, 12)] for _ in range(5000)]
"""
WORDS = (
    TEXTS
    + """
from gensim.models import Word2Vec
model = Word2Vec(texts, vector_size=16, min_count=1, sg=1, seed=4, workers=3, epochs=4)
print(model.wv.vectors.tolist())
"""
)
SUBWORDS = (
    TEXTS
    + """
from gensim.models import FastText
model = FastText(texts, vector_size=16, min_count=1, seed=4, epochs=2, bucket=1000)
print(model.wv.vectors.tolist())
"""
)
DOCUMENTS = (
    TEXTS
    + """
from gensim.models.doc2vec import Doc2Vec, TaggedDocument
documents = [TaggedDocument(words, [number]) for number, words in enumerate(texts)]
model = Doc2Vec(documents, vector_size=16, min_count=1, seed=1, epochs=4)
print(model.dv.vectors.tolist())
"""
)


def with_one_thread(text):
    (edit,) = library_threads.SOURCE.script.edits
    lines = range(1, len(text.splitlines()) + 1)
    calls = edits.calls_at(ast.parse(text), library_threads.CALLS, lines)
    return edits.apply(text, edit, [call.lineno for call in calls], 1)


def with_argument(library):
    return lambda text: libraries.edited(text, library, (), 1)


#: A program for every argument of the table.
PROGRAMS = {
    ("sklearn", "random_state"): FOREST,
    ("optuna", "seed"): SAMPLED,
    ("optuna", "sampler"): SEARCH,
    ("optuna", "study_name"): NAMED,
    ("keras_tuner", "overwrite"): TUNED,
    ("keras", "hash_function"): HASHED,
}
CASES = [
    *(
        pytest.param(one.package, PROGRAMS[key], with_argument(one), id=" ".join(key))
        for one in LIBRARIES
        if (key := (one.package, one.argument)) in PROGRAMS
    ),
    pytest.param("gensim", WORDS, with_one_thread, id="words"),
    pytest.param("gensim", SUBWORDS, with_one_thread, id="subwords"),
    pytest.param("gensim", DOCUMENTS, with_one_thread, id="documents"),
]
MOST_RUNS = 20  # until two differ


def test_every_argument_of_the_table_has_a_program():
    assert {(one.package, one.argument) for one in LIBRARIES} == set(PROGRAMS)


@pytest.mark.parametrize(("package", "text", "fixed"), CASES)
def test_programs_end_alike_with_the_argument_and_not_without(tmp_path, package, text, fixed):
    python = with_backend(package)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}

    def end():
        done = subprocess.run(
            [python, "train.py"], cwd=tmp_path, env=environment, capture_output=True
        )
        assert done.returncode == 0 and done.stdout, done.stderr
        return done.stdout

    (tmp_path / "train.py").write_text(text)
    first = end()
    assert any(end() != first for _ in range(MOST_RUNS))
    (tmp_path / "train.py").write_text(fixed(text))
    assert len({end() for _ in range(4)}) == 1

"""Each argument of a library that a fix may write is run: without it, programs end differently, and
with it alike. No detaudit runs here but what edits the text.
"""

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
study = optuna.create_study(CHOICES)
study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
print([trial.params for trial in study.trials])
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


def of_threads(text):
    """The text with one thread of the library, as the fix of ``library-threads`` writes it."""
    lines = range(1, len(text.splitlines()) + 1)
    calls = edits.calls_at(edits.ast.parse(text), tuple(library_threads.CLASSES.values()), lines)
    line = [call.lineno for call in calls]
    tried = (edits.apply(text, one, line, 1) for one in library_threads.SOURCE.script.edits)
    return next(filter(None, tried))


def by_argument(place):
    return lambda text: libraries.edited(text, LIBRARIES[place], (), 1)


@pytest.mark.parametrize(
    ("package", "text", "fixed"),
    [
        ("sklearn", FOREST, by_argument(0)),
        ("optuna", SEARCH.replace("CHOICES", ""), by_argument(1)),
        ("optuna", NAMED, by_argument(2)),
        ("keras", HASHED, by_argument(3)),
        ("gensim", WORDS, of_threads),
        ("gensim", SUBWORDS, of_threads),
        ("gensim", DOCUMENTS, of_threads),
    ],
    ids=["forest", "sampler", "study's name", "hash", "words", "subwords", "documents"],
)
def test_programs_end_alike_with_the_argument_and_not_without(tmp_path, package, text, fixed):
    python = with_backend(package)

    def ends(text, runs):
        (tmp_path / "train.py").write_text(text)
        done = [
            subprocess.run([python, "train.py"], cwd=tmp_path, capture_output=True)
            for _ in range(runs)
        ]
        assert all(one.returncode == 0 and one.stdout for one in done), done[0].stderr
        return len({one.stdout for one in done})

    assert ends(text, 4) > 1
    assert ends(fixed(text), 4) == 1

"""A library's own argument at the user's call, if its name says that the call is the library's."""

import pytest
from detaudit.commands.run.libraries import changed_calls, edited
from detaudit.registry import base
from detaudit_probes.libraries import LIBRARIES

SKLEARN, SEED, SAMPLER, NAME, TUNER, HASHES = LIBRARIES


@pytest.mark.parametrize(
    ("library", "before", "after"),
    [
        (
            SKLEARN,
            "from sklearn.model_selection import train_test_split\na, b = train_test_split(x)\n",
            "train_test_split(x, random_state=7)",
        ),
        (
            SKLEARN,
            "from sklearn import ensemble\nm = ensemble.RandomForestClassifier(random_state=None)\n",
            "RandomForestClassifier(random_state=7)",
        ),
        (
            SKLEARN,
            "import sklearn.utils\ndef main():\n    x = sklearn.utils.shuffle(x)\nmain()\n",
            "shuffle(x, random_state=7)",
        ),
        (
            SAMPLER,
            "import optuna as op\nstudy = op.create_study(direction='minimize')\n",
            "create_study(direction='minimize', sampler=op.samplers.TPESampler(seed=7))",
        ),
        (
            SEED,
            "import optuna\nstudy = optuna.create_study(sampler=optuna.samplers.RandomSampler())\n",
            "optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=7))",
        ),
        (
            TUNER,
            "import keras_tuner as kt\nfor k in a:\n    kt.Hyperband(build, project_name=k)\n",
            "kt.Hyperband(build, project_name=k, overwrite=True)",
        ),
        (
            SAMPLER,
            "from optuna import create_study\nstudy = create_study()\n",
            "import optuna\nfrom optuna import create_study\n"
            "study = create_study(sampler=optuna.samplers.TPESampler(seed=7))",
        ),
        (
            SKLEARN,
            "from sklearn.model_selection import KFold\nKFold(5, shuffle=True)\n",
            "KFold(5, shuffle=True, random_state=7)",
        ),
        (
            NAME,
            "import optuna\nfor k in a:\n    optuna.create_study()\n",
            'create_study(study_name="study")',
        ),
        (
            HASHES,
            "from tensorflow import keras\nkeras.preprocessing.text.hashing_trick(t, 9)\n",
            'hashing_trick(t, 9, hash_function="md5")',
        ),
    ],
)
def test_the_call_gets_its_argument(library, before, after):
    assert after in edited(before, library, (), 7)


@pytest.mark.parametrize(
    ("library", "text"),
    [
        (SKLEARN, "import random\nrandom.shuffle(x)\n"),
        (SKLEARN, "import sklearn\nfrom numpy.random import shuffle\nshuffle(x)\n"),
        (SKLEARN, "from sklearn.utils import resample\nfor k in range(9):\n    resample(x)\n"),
        (SKLEARN, "from sklearn.utils import resample\nb = [resample(x) for k in range(9)]\n"),
        (SKLEARN, "from sklearn.utils import resample\ndef draw():\n    return resample(x)\n"),
        (SKLEARN, "from sklearn.utils import resample\nresample(x, random_state=3)\n"),
        (
            SKLEARN,
            "from sklearn.utils import resample\ndef main():\n    resample(x)\nmain()\nmain()\n",
        ),
        (SKLEARN, "from sklearn.utils import resample\nresample(x, **options)\n"),
        (SKLEARN, "from sklearn.utils import resample\n" + "resample(x)\n" * 4),
        (SAMPLER, "import optuna\noptuna.create_study(sampler=mine)\n"),
        (SAMPLER, "import optuna\noptuna.create_study(directions=['minimize', 'maximize'])\n"),
        (NAME, "import optuna\noptuna.create_study(storage='sqlite:///s.db')\n"),
        (SKLEARN, "from sklearn.model_selection import KFold\nKFold(5)\n"),
        (SAMPLER, "import optuna\noptuna.create_study(\n"),
    ],
)
def test_other_calls_and_calls_in_loops_are_left_alone(library, text):
    assert edited(text, library, (), 7) is None


def test_the_table_names_sources_that_exist():
    known = base.script_sources()
    assert all(source in known for library in LIBRARIES for source in library.sources)


def test_if_a_line_drew_only_its_call_is_changed():
    text = "from sklearn.utils import resample, shuffle\nresample(x)\nshuffle(x)\n"
    assert edited(text, SKLEARN, (3,), 7) == text.replace(
        "shuffle(x)", "shuffle(x, random_state=7)"
    )


def test_a_cell_knows_the_imports_of_another_one():
    around = "from sklearn.utils import shuffle\n"
    assert edited("shuffle(x)\n", SKLEARN, (), 7, around) == "shuffle(x, random_state=7)\n"


def test_two_calls_get_two_seeds():
    text = "from sklearn.datasets import make_moons\ntrain = make_moons(9)\ntest = make_moons(9)\n"
    changed = edited(text, SKLEARN, (), 1)
    assert "make_moons(9, random_state=1)" in changed and "random_state=2)" in changed


def test_the_calls_that_a_change_is_about_are_named():
    text = "import optuna\nif x:\n    study = optuna.create_study()\n"
    assert edited(text, SAMPLER, (9,), 7) is not None
    assert changed_calls(text, SAMPLER, (9,)) == [(3, "create_study")]
    two = "from sklearn.utils import resample, shuffle\nresample(x)\nshuffle(x)\n"
    assert changed_calls(two, SKLEARN, (3,)) == [(3, "shuffle")]

"""A program without a framework gets a verdict by what it prints and saves; times and ids in it are
no results.
"""

import json
import os
import subprocess
import sys

import pytest
from detaudit.errors import UsageError
from detaudit.execution.program import program

from tests import notebook_files
from tests.interpreters import activated
from tests.slow import slow

#: Trains by hand, with every seed set, and writes times, durations, process ids and run ids.
CLEAN = """
import datetime, json, logging, os, pickle, sqlite3, sys, tempfile, time, uuid
import numpy as np

logging.basicConfig(stream=sys.stdout, level="INFO", format="%(asctime)s %(levelname)s %(message)s")
logging.info("begins")

run, began = uuid.uuid4(), time.perf_counter()
print("run", run, "pid", os.getpid(), "in", tempfile.mkdtemp())
print(f"[{datetime.datetime.now().isoformat()}] begins")
rng = np.random.default_rng(SEED)
w = np.zeros(4)
for epoch in range(5):
    x = rng.normal(size=(16, 4))
    w -= 0.1 * x.T @ (x @ w - x @ np.arange(4.0)) / 16
    print("epoch", epoch, "loss", float(w @ w), "(%.3f ms)" % (1e3 * (time.perf_counter() - began)))
np.save("w.npy", w)
facts = {"run": str(run), "seconds": time.perf_counter() - began, "time": time.time()}
with open("results.json", "w") as file:
    json.dump({**facts, "pid": os.getpid(), "weights": w.tolist()}, file)
np.savez("times.npz", epochs=np.array([time.perf_counter() - began] * 3), now=time.time())
with open("run.pkl", "wb") as file:
    pickle.dump({"when": datetime.datetime.now(), "by": os.getppid(), "weights": w}, file)
with sqlite3.connect("runs.db") as database:
    database.execute("CREATE TABLE runs (loss REAL, at TEXT DEFAULT CURRENT_TIMESTAMP)")
    database.execute("INSERT INTO runs (loss) VALUES (?)", (float(w @ w),))
print(len, lambda: 0, object())
print(time.ctime(), "done in", datetime.timedelta(seconds=time.perf_counter() - began))
"""


def audited(folder, text, *options):
    """The report of ``detaudit run`` on a script with this text."""
    script, saved = folder / "train.py", folder.parent / f"{folder.name}.json"
    script.write_text(text)
    command = [
        sys.executable,
        "-m",
        "detaudit",
        "run",
        "--quiet",
        "--no-cost",
        "--json",
        str(saved),
    ]
    subprocess.run([*command, *options, str(script)], cwd=folder, capture_output=True)
    return json.loads(saved.read_text(encoding="utf-8"))


def test_times_and_ids_are_no_results(tmp_path):
    report = audited(tmp_path, CLEAN.replace("SEED", "3"), "--no-search")
    assert (report["reproducible"], report["judged_by"]) == (True, "output"), report["reason"]
    assert report["exit_code"] == 0
    outputs = {(one["kind"], one["name"]): one["matches"] for one in report["outputs"]}
    assert outputs["saved", "w.npy"] and outputs["saved", "results.json"]
    assert ("time", "results.json, pid") in outputs


@slow
def test_a_rounded_duration_that_only_another_clock_shows_is_no_dependence(tmp_path):
    script = (
        "import time\nbegan = time.time()\nfor _ in range(20000):\n    time.time()\n"
        "print('took %d s' % ((time.time() - began) // 5 * 5))\n"
    )
    report = audited(tmp_path, script)
    assert (report["reproducible"], report["depends_on"]) == (True, []), report["reason"]
    assert ("time", "standard output, line 1") in {
        (one["kind"], one["name"]) for one in report["outputs"]
    }


#: What it fits is equal; it measures, caches and saves durations too.
MEASURES = """
import csv, time
import joblib
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

@joblib.Memory("cache", verbose=0).cache
def features():
    x = np.random.default_rng(0).normal(size=(60, 3))
    return x, (x[:, 0] > 0).astype(int)

def latency(estimator, x, y):
    began = time.perf_counter()
    estimator.predict(x)
    return began - time.perf_counter()

class Threshold(ClassifierMixin, BaseEstimator):
    def fit(self, x, y):
        began = time.time()
        self.classes_, self.cut_ = np.unique(y), float(np.median(x[:, 0])) + CUT
        self.elapsed_, self.laps_ = time.time() - began, np.full(3, time.time() - began)
        return self

    def predict(self, x):
        return (x[:, 0] > self.cut_).astype(int)

x, y = features()
scoring = {"accuracy": "accuracy", "latency": latency}
grid = {"C": [0.1, 1, 10]}
search = GridSearchCV(LogisticRegression(), grid, cv=3, scoring=scoring, refit="accuracy").fit(x, y)
with open("search.csv", "w", newline="") as file:
    table = csv.writer(file)
    table.writerow(search.cv_results_)
    table.writerows(zip(*search.cv_results_.values()))
Threshold().fit(x, y)
"""


@slow
def test_durations_that_an_estimator_keeps_are_no_results(tmp_path):
    report = audited(tmp_path, MEASURES.replace("CUT", "0"), "--no-search")
    assert (report["reproducible"], report["judged_by"]) == (True, "fits"), report["reason"]
    times = {one["name"] for one in report["outputs"] if one["kind"] == "time"}
    assert any("latency" in name for name in times)
    imported = report["environment"]["imported"]
    assert {"scikit-learn", "numpy"} <= {*imported} and not {"tensorflow", "keras"} & {*imported}


#: A second run loads what the first one has fitted.
LOADS = """
import os, joblib
import numpy as np
from sklearn.linear_model import SGDClassifier
x = np.random.default_rng(0).normal(size=(60, 3))
y = (x[:, 0] > 0).astype(int)
again = os.path.exists("model.joblib")
if again:
    model = joblib.load("model.joblib")
else:
    model = SGDClassifier(random_state=0).fit(x, y)
    joblib.dump(model, "model.joblib")
print("accuracy", model.score(x, y) + LOADED)
"""


@slow
def test_a_second_run_that_loads_what_the_first_has_fitted_ends_alike(tmp_path):
    report = audited(tmp_path, LOADS.replace("LOADED", "0"), "--no-search")
    assert report["reproducible"], report["reason"]


@slow
def test_a_second_run_that_loads_and_ends_otherwise_is_named(tmp_path):
    report = audited(tmp_path, LOADS.replace("LOADED", "again"), "--no-search")
    assert report["reproducible"] is False
    assert [one["source"] for one in report["causes"]] == ["input-changed"]


@slow
def test_a_number_that_an_estimator_learns_is_a_result(tmp_path):
    text = MEASURES.replace("CUT", "1e-3 * np.random.rand()")
    report = audited(tmp_path, text, "--no-search")
    found = report["first_divergence"]
    assert (found["stage"], found["name"]) == ("output", "Threshold.fit 1, cut_"), report["reason"]


@slow
@pytest.mark.parametrize(
    ("seed", "source"),
    [
        ("None", "numpy-generator"),
        ("int(time.time() * 1e3)", "clock"),
        ("uuid.uuid4().int", "os-entropy"),
    ],
)
def test_a_result_that_depends_on_a_time_or_an_id_remains_one(tmp_path, seed, source):
    report = audited(tmp_path, CLEAN.replace("SEED", seed))
    assert (report["reproducible"], report["exit_code"]) == (False, 1), report["reason"]
    assert [one["source"] for one in report["causes"]] == [source]
    found = report["first_divergence"]
    assert (found["stage"], found["name"]) == ("output", "standard output, line 4")


def test_a_program_that_shows_nothing_is_not_decided(tmp_path):
    report = audited(tmp_path, "x = 1\n", "--no-search")
    assert (report["reproducible"], report["exit_code"]) == (None, 3)
    assert "nor saved anything in its folder" in report["reason"]


@slow
def test_entropy_below_python_is_never_taken_for_pythons(tmp_path):
    draw = "ctypes.CDLL(None).getrandom(bits, 4, 0)"
    text = f"import ctypes\nbits = ctypes.create_string_buffer(4)\n{draw}\nprint(bits.raw[0])\n"
    report = audited(tmp_path, text)
    assert (report["reproducible"], report["causes"]) == (False, [])
    assert "below Python" in report["reason"]


@slow
def test_a_product_of_matrices_depends_on_the_threads_of_its_library(tmp_path):
    text = "import numpy as np\na = np.random.default_rng(0).normal(size=(700, 700))\nprint((a @ a @ a).sum())\n"
    report = audited(tmp_path, text)
    assert report["reproducible"] is True, report["reason"]
    assert [one["source"] for one in report["depends_on"]] == ["intra-op-threads"]


# How a program is started -------------------------------------------------------------------------

PACKAGE = """
import sys
import numpy as np

def main():
    print(sys.argv, __name__, np.random.default_rng(int(sys.argv[1])).random())
"""


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    (folder / "pkg").mkdir(parents=True)
    (folder / "pkg" / "__init__.py").write_text("")
    (folder / "pkg" / "train.py").write_text(PACKAGE)
    return folder


def test_a_function_of_a_module_is_run_as_an_entry_point_runs_it(project, tmp_path):
    command = [sys.executable, "-m", "detaudit", "run", "--no-search", "--show-output"]
    command += ["--pairs", "1"]
    done = subprocess.run(
        [*command, "pkg.train:main", "7"], cwd=project, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "['pkg.train:main', '7'] pkg.train 0.625095466604667" in done.stdout
    assert "of pkg.train:main are bitwise identical" in " ".join(done.stdout.split())


def test_the_command_of_an_installed_package_is_its_function(project, tmp_path):
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    (tmp_path / "bin" / "train-model").write_text(
        "#!/x/python\nimport sys\nfrom pkg.train import main\nif __name__ == '__main__':\n    sys.exit(main())\n"
    )
    found = program.find("train-model", False, ("7",), project, str(python))
    assert (found.module, found.function, found.title) == ("pkg.train", "main", "train-model")
    assert found.command("python", project)[3:] == ["7"]
    script = tmp_path / "bin" / "train-model"
    assert program.find(str(script), False, ("7",), project, str(python)).root == script.parent
    python.write_text("")
    for path in (python, script):
        path.chmod(0o755)
    assert program.find(str(script), False, ("7",), project, str(python)) == found
    # A folder of that name is no interpreter
    (project / "python").mkdir(exist_ok=True)
    own = project / "train"
    own.write_text("#!/usr/bin/env python\n")
    own.chmod(0o755)
    assert program.find("./train", False, (), project, str(python)).script == own
    # Another environment's command starts an interpreter of its own
    other = program.find(str(script), False, ("7",), project, "/opt/python")
    assert (other.root, other.title) == (project, "train-model")
    assert other.command("/opt/python", project) == [str(script), "7"]
    with pytest.raises(UsageError, match="There is no script train_model"):
        program.find("train_model", False, (), project, str(python))


@slow
def test_a_notebook_is_run_cell_by_cell(tmp_path):
    notebook_files.write(
        tmp_path / "train.ipynb",
        "%matplotlib inline\nimport numpy as np",
        "def noise():\n    return np.random.normal()",
        "noise()",
    )
    saved = tmp_path.parent / f"{tmp_path.name}.json"
    command = [sys.executable, "-m", "detaudit", "run", "--no-cost", "--json", str(saved)]
    done = subprocess.run(
        [*command, "train.ipynb"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    report = json.loads(saved.read_text(encoding="utf-8"))
    assert (done.returncode, [one["source"] for one in report["causes"]]) == (1, ["numpy-legacy"])
    (site,) = report["causes"][0]["sites"]
    assert (site["file"], site["line"]) == ("train.ipynb[2]", 2)
    assert report["fix"]["verified"] and "+++ b/train.ipynb[1]\n" in report["fix"]["diff"]
    assert "%matplotlib inline in cell 1" in " ".join(done.stdout.split())
    assert "make the change above in the notebook" in " ".join(done.stdout.split())


def test_a_shell_script_is_judged_by_what_it_prints(project):
    (project / "train.sh").write_text(f"{sys.executable} -c 'print(1)'\necho done\n")
    command = [sys.executable, "-m", "detaudit", "run", "--no-search", "--show-output"]
    command += ["--pairs", "1"]
    for words in (["train.sh"], ["--", "sh", "train.sh"]):
        done = subprocess.run([*command, *words], cwd=project, capture_output=True, text=True)
        said = " ".join(done.stdout.split())
        assert done.returncode == 0, done.stdout + done.stderr
        assert "sh train.sh are bitwise identical" in said and "1 done" in said


@slow
def test_a_cause_is_found_in_any_process_that_a_shell_script_starts(project, tmp_path):
    (project / "train.sh").write_text("python prepare.py\npython train.py\n")
    (project / "prepare.py").write_text("import sys\nprint(len(sys.argv))\n")
    (project / "train.py").write_text("import numpy as np\n\nprint(np.random.normal())\n")
    saved = tmp_path / "report.json"
    command = [sys.executable, "-m", "detaudit", "run", "--no-cost", "--json", str(saved)]
    environment = {**os.environ, **activated()}
    subprocess.run([*command, "train.sh"], cwd=project, env=environment, capture_output=True)
    report = json.loads(saved.read_text(encoding="utf-8"))
    assert [one["source"] for one in report["causes"]] == ["numpy-legacy"], report["reason"]
    (site,) = report["causes"][0]["sites"]
    assert (site["file"], site["line"]) == ("train.py", 3)


def test_a_command_is_named_by_its_script(project):
    (project / "train.sh").write_text("")
    found = program.find("sh", False, ("train.sh", "--token", "secret"), project)
    assert (found.title, found.arguments) == ("sh train.sh", ("--token", "secret"))
    script = str(project / "train.sh")
    assert found.command("python", project) == ["sh", script, "--token", "secret"]


def test_a_shell_script_elsewhere_is_protected_in_its_own_folder(project, tmp_path):
    path = project / "train.sh"
    path.write_text("#!/bin/bash -e\n")
    found = program.find(str(path), False, (), tmp_path / "other")
    assert (found.root, found.title) == (project, "bash train.sh")
    assert found.command("python", tmp_path) == ["/bin/bash", "-e", str(tmp_path / "train.sh")]


@slow
def test_a_seed_that_an_import_needs_is_set_above_it(project, tmp_path):
    (project / "noise.py").write_text("import numpy as np\n\nvalue = np.random.normal()\n")
    (project / "train.py").write_text("import numpy as np\nimport noise\n\nprint(noise.value)\n")
    saved = tmp_path / "report.json"
    command = [sys.executable, "-m", "detaudit", "run", "--no-cost", "--json", str(saved)]
    subprocess.run([*command, "train.py"], cwd=project, capture_output=True)
    fix = json.loads(saved.read_text(encoding="utf-8"))["fix"]
    assert fix["verified"] and "as np\n+np.random.seed(1)\n import noise\n" in fix["diff"]


@slow
def test_a_verified_fix_is_applied_if_that_is_asked_for(tmp_path):
    text = "import numpy as np\n\nprint(np.random.normal())\n"
    (tmp_path / "train.py").write_text(text)
    command = [sys.executable, "-m", "detaudit", "run", "--no-cost", "--fix", "--diff", "train.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    fixed = text.replace("\n\n", "\n\nnp.random.seed(1)\n\n")
    assert done.returncode == 1 and (tmp_path / "train.py").read_text() == fixed
    assert done.stdout.startswith("--- a/train.py\n") and "+np.random.seed(1)" in done.stdout
    assert "The fix was applied to train.py." in done.stderr


@pytest.mark.parametrize(("line", "code"), [("!python train.py", 3), ("%matplotlib inline", 0)])
def test_a_notebook_whose_training_is_skipped_is_not_decided(tmp_path, line, code):
    notebook_files.write(tmp_path / "a.ipynb", line, "print('done')")
    command = [sys.executable, "-m", "detaudit", "run", "--no-search", "--pairs", "1", "a.ipynb"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == code, done.stdout
    if code:
        assert "skipped lines of the notebook run programs" in " ".join(done.stdout.split())


def test_a_training_in_a_program_that_the_script_starts_is_recorded(tmp_path):
    (tmp_path / "own.py").write_text("import random\nprint(random.random())\n")
    start = "import subprocess, sys\nsubprocess.run([sys.executable, 'own.py'], check=True)\n"
    report = audited(tmp_path, start, "--no-search", "--pairs", "1")
    assert report["reproducible"] is False
    (tmp_path / "own.py").write_text("import random\nrandom.seed(1)\nprint(random.random())\n")
    assert audited(tmp_path, start, "--no-search", "--pairs", "1")["reproducible"] is True

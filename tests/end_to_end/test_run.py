"""`detaudit run` on real trainings, as a user runs it."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Ran, command
from tests.interpreters import activated, with_backend
from tests.slow import slow
from tests.wire.test_children import alive
from tests.wire.test_death import descendants

pytestmark = pytest.mark.end_to_end

CORPUS = Path(__file__).parents[1] / "corpus"


@pytest.fixture
def run_here(tmp_path, detaudit):
    """`detaudit run` in a folder with a script of the corpus, or with a text of ours."""

    def run(what: str, *options: str) -> tuple[Ran, dict, Path]:
        folder = tmp_path / "work"
        if "\n" in what:
            folder.mkdir()
            (folder / "train.py").write_text(what)
        else:
            shutil.copytree(CORPUS / what, folder)
        report = tmp_path / "run.json"
        cost_options = () if "--cost" in options else ("--no-cost",)
        ran = detaudit(
            "run", "--json", str(report), *cost_options, *options, str(folder / "train.py")
        )
        return ran, json.loads(report.read_text()) if report.exists() else {}, folder

    return run


def test_the_missing_seed_is_named_with_its_lines_and_the_fix_works(run_here, tmp_path, detaudit):
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed here")
    diff = tmp_path / "fix.diff"
    before = (CORPUS / "causes/keras_issue_22620/train.py").read_bytes()
    ran, report, folder = run_here(
        "causes/keras_issue_22620",
        "--write-fix",
        str(diff),
        "--markdown",
        str(tmp_path / "run.md"),
    )
    planted = json.loads((folder / "case.json").read_text())["causes"][0]
    assert ran.code == 1, ran.err
    assert "Traceback" not in ran.err
    assert ran.err.startswith("Running work/train.py 15 times if its runs match. If they differ,")
    message = " ".join(ran.err.split())
    assert re.search(
        r"One run takes .+ if runs match, and (about|between) .+ if they differ", message
    )
    assert message.index("Two runs differ, first at init") < message.index(
        "Searching for the pins that are needed"
    )
    assert "are really written, in every run." in " ".join(ran.err.split())
    assert (report["outcome"], report["reproducible"]) == ("not-reproducible", False)
    (cause,) = report["causes"]
    assert (cause["source"], cause["necessary"]) == ("python-random", True)
    assert {site["line"] for site in cause["sites"]} & set(planted["lines"])
    assert report["first_divergence"]["stage"] == "init"
    assert report["origin"].startswith("the variable differed before its first step")
    assert report["pinned"]["differing"] == 0 < report["pinned"]["matching"]
    assert report["observer"]["bits_unchanged"] is True
    assert report["fix"]["verified"] is True and report["fix"]["runs"] == 4
    assert (folder / "train.py").read_bytes() == before  # the user's file is never edited
    assert "random.seed(1)" in ran.out and "python-random" in (tmp_path / "run.md").read_text()
    again = detaudit("report", str(tmp_path / "run.json"))
    assert again.code == 0 and again.out == ran.out
    patched = subprocess.run(
        ["patch", "-p1", "-i", str(diff)], cwd=tmp_path, capture_output=True, text=True
    )
    assert patched.returncode == 0 and (folder / "train.py").read_bytes() != before


@slow
def test_the_training_that_a_shell_script_starts_is_judged(tmp_path, detaudit):
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed here")
    folder, report = tmp_path / "project", tmp_path / "run.json"
    shutil.copytree(CORPUS / "causes/keras_issue_22620", folder)
    (folder / "launch.py").write_text(
        "import subprocess, sys\nsubprocess.run([sys.executable, 'train.py'], check=True)\n"
    )
    (folder / "train.sh").write_text('cd "$(dirname "$0")"\npython launch.py\necho done\n')
    ran = detaudit(
        "run", "--json", str(report), "--no-cost", str(folder / "train.sh"), **activated()
    )
    found = json.loads(report.read_text())
    (cause,) = found["causes"]
    assert (found["judged_by"], cause["source"]) == ("training", "python-random"), ran.err
    assert {site["file"] for site in cause["sites"]} == {"project/train.py"}
    assert found["fix"]["verified"] is True and "+++ b/project/train.py" in found["fix"]["diff"]
    assert any(
        "the process that was judged is project/train.py" in one for one in found["warnings"]
    )


LIES_WHEN_FORKED = """import os
STARTED = os.getpid()
import keras
import numpy as np

x = np.linspace(0, 1, 32).reshape(16, 2)
y = x.sum(axis=1) + (os.getpid() != STARTED)
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
model.fit(x, y, epochs=3, batch_size=4, shuffle=False, verbose=0)
"""


@slow
def test_a_script_that_behaves_otherwise_when_it_is_forked_still_gets_the_right_answer(run_here):
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed here")
    ran, report, _ = run_here(LIES_WHEN_FORKED, "--depth", "step")
    assert [one["source"] for one in report["causes"]] == ["python-random"], ran.err
    assert report["fix"]["verified"] is True
    said = [one for one in report["warnings"] if "forked runs and fresh runs end on" in one]
    assert said or report["isolation"]["kind"] != "overlay"


@slow
def test_what_the_pins_cost_is_measured(run_here):
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed here")
    ran, report, _ = run_here("causes/keras_issue_22620", "--cost")
    (cost,) = [one for one in report["cost"]["each"] if one["pins"] == ["python-random"]]
    assert cost["base"] == [] and cost["cost_range"][0] <= cost["cost"] <= cost["cost_range"][1]
    assert report["cost"]["combined"] == cost and "Cost" in ran.out


@slow
def test_a_clean_script_is_reproducible_and_says_what_so_few_runs_exclude(run_here):
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed here")
    ran, report, _ = run_here("frozen/shapes_cnn_clean", "--pairs", "1")
    assert ran.code == 0, ran.err + ran.out
    assert (report["reproducible"], report["causes"]) == (True, [])
    # One pair was requested; if a variation differs, more are run to exclude chance.
    assert (
        report["repeats"]["matching"] >= 1 == report["unrecorded"]["matching"]
        and report["repeats"]["differing"] == 0
    )
    varied = [*report["depends_on"], *report["unaffected_by"], *report["unresolved_settings"]]
    assert {one["source"] for one in varied} == {
        "hash-seed",
        "directory-order",
        "intra-op-threads",
        "clock",
        "load",
        "temporary-folder",
    }
    assert re.search(r"differing pairs above \d+% is excluded", " ".join(ran.out.split()))


STOPPED = """import sys
import numpy as np
import keras
if SEEDED:
    keras.utils.set_random_seed(1)
x = (np.arange(18) / 10).reshape(18, 1)
model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
model.compile(optimizer="sgd", loss="mse")
model.fit(x, x, batch_size=2, epochs=9, verbose=0)
"""


@pytest.mark.parametrize("backend", ["tensorflow", pytest.param("jax", marks=slow)])
@pytest.mark.parametrize(
    ("seeded", "code", "verdict"),
    [pytest.param("True", 0, True, marks=slow), ("False", 1, False)],
)
def test_runs_that_are_ended_early_are_decided_and_the_report_says_of_how_many_steps(
    run_here, backend, seeded, code, verdict
):
    """An unrecorded run never sees a weight move: that was taken for a training that trains
    nothing.
    """
    ran, report, _ = run_here(
        STOPPED.replace("SEEDED", seeded),
        *("--python", with_backend(backend), "--backend", backend),
        *("--stop-after", "4", "--pairs", "1", "--no-search"),
    )
    assert (ran.code, report["reproducible"], report["steps"]) == (code, verdict, 4), (
        ran.err + ran.out
    )
    assert "in their first 4 steps" in " ".join(ran.out.split())
    assert report["unrecorded"]["differing"] == int(not verdict) and report["causes"] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n\n", "no training step was observed"),
        ("import os\nraise ValueError('no such data')\n", "ValueError: no such data"),
    ],
)
def test_a_script_that_trains_nothing_or_fails_is_not_decided(run_here, text, said):
    ran, report, _ = run_here(text)
    assert ran.code == 3
    assert said in " ".join(ran.out.split())
    assert (report["outcome"], report["reproducible"]) == ("inconclusive", None)


def test_an_interruption_leaves_no_process_and_no_folder(tmp_path):
    (tmp_path / "train.py").write_text("import time\ntime.sleep(600)\n")
    (tmp_path / "tmp").mkdir()
    run = subprocess.Popen(
        [command(), "run", "train.py"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NO_COLOR": "1", "TMPDIR": str(tmp_path / "tmp")},
    )
    deadline = time.monotonic() + 60
    while len(pids := descendants(run.pid)) < 2 or not list((tmp_path / "tmp").rglob("main")):
        assert time.monotonic() < deadline and run.poll() is None
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=60)
    assert run.returncode == 130, err
    assert "Traceback" not in err and "interrupted" in out
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(alive(pid) for pid in pids)
    assert list((tmp_path / "tmp").iterdir()) == []


def test_an_interrupted_audit_says_how_to_go_on_and_goes_on(tmp_path):
    """The script trains nothing, which three pairs of runs decide."""
    work, runs = tmp_path / "work", tmp_path / "two words.txt"
    for folder in (work, tmp_path / "tmp"):
        folder.mkdir()
    (work / "train.py").write_text("import sys\nopen(sys.argv[1], 'a').write('x')\n")
    place = {
        "cwd": work,
        "text": True,
        "env": {**os.environ, "NO_COLOR": "1", "TMPDIR": str(tmp_path / "tmp")},
    }
    audit = subprocess.Popen(
        [command(), "run", "--json", "r.json", "train.py", str(runs)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **place,
    )
    lines = []
    while not any("One run takes" in line for line in lines):
        lines.append(audit.stderr.readline())
        assert lines[-1], "the audit ended early"
    audit.send_signal(signal.SIGINT)
    _, err = audit.communicate(timeout=60)
    assert audit.returncode == 130 and "Traceback" not in err
    pasted = shlex.split(err.splitlines()[-1])
    assert pasted[1:3] == ["run", "--resume"]
    assert pasted[4:] == ["--json", "r.json", "train.py", str(runs)]

    without_json = [*pasted[:4], *pasted[6:]]
    refused = subprocess.run(without_json, capture_output=True, check=False, **place)
    assert refused.returncode == 2 and "r.json changed since" in " ".join(refused.stderr.split())
    done = subprocess.run(pasted, capture_output=True, check=False, **place)
    report = json.loads((work / "r.json").read_text())
    assert (done.returncode, report["interrupted"], len(report["trials"])) == (3, False, 6)
    assert list((tmp_path / "tmp").iterdir()) == []


def test_usage(detaudit):
    assert detaudit("run", "nowhere.py").code == 2
    assert detaudit("run", "--resume", "nowhere.jsonl", __file__).code == 2
    assert detaudit("run", "--stop-after", "soon", "x.py").code == 2
    assert "--depth op" in detaudit("run", "--depth", "layer", "--reproducer", "f.py", "x.py").err

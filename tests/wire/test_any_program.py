"""A program without a framework gets a verdict by what it prints and saves; times and ids in it are
no results.
"""

import json
import subprocess
import sys

import pytest

from tests.slow import slow_but_for

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


@pytest.mark.parametrize(
    ("seed", "source"),
    slow_but_for(
        [("None", "numpy-generator")],
        [
            ("None", "numpy-generator"),
            ("int(time.time() * 1e3)", "clock"),
            ("uuid.uuid4().int", "os-entropy"),
        ],
    ),
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

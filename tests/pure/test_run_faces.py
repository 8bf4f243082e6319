"""The faces of a run's report: whole, and harmless whatever a document holds."""

import json
import re
from dataclasses import replace
from io import StringIO

import pytest
from detaudit.condition import Condition, Trial
from detaudit.core.experiment import Finished
from detaudit.diff import Divergence
from detaudit.errors import UsageError
from detaudit.outcome import COMPLETED, Outcome
from detaudit.report import build_run, faces, markdown_run, read, v1, write
from detaudit.report.privacy import Private
from detaudit.script.findings import (
    Cause,
    Cost,
    Fix,
    Growth,
    Observer,
    Output,
    Price,
    Quantity,
    Repeats,
    RunAudit,
    Search,
    Site,
    Varied,
)
from detaudit.ulp import Distance
from rich.console import Console

from tests.pure.test_report_faces import HOSTILE, poisoned

LOOSE = Condition("tensorflow", "auto", "train.py", 1)
SITES = (
    Site(
        "train.py", 7, "<module>", 2, False, ("core/dense.py:111 in __init__", "random.py:1 in get")
    ),
    Site("nets/model.py", 12, "make", 1, True),
)
PARTED = RunAudit(
    "train.py",
    {"seed": 1, "backend": "tensorflow", "python": "/home/ada/venv/bin/python"},
    False,
    "two runs of one and the same program part",
    environment={"python": "3.11.7", "packages": {"tensorflow": "2.21.0", "keras": "3.15.1"}},
    repeats=Repeats(
        5,
        0,
        3,
        Divergence("init", None, "sequential/dense/kernel", "bits", Distance(9, 10, 10, 0, 0.5)),
    ),
    origin="it came in with the first values of this variable",
    bare=Repeats(2, 0, 1),
    pinned=Repeats(4, 2, 0),
    growth=(Growth(0, 31, 31, 2118497479, 1.2723),),
    causes=(
        Cause(
            "python-random",
            "python-random",
            True,
            SITES,
            "the seeds that the script sets do not reach it: numpy.random.seed at train.py:3",
        ),
    ),
    fix=Fix(
        "--- a/train.py\n+++ b/train.py\n@@ -1,2 +1,4 @@\n+import random\n+random.seed(1)\n import keras\n x = 1\n",
        (("PYTHONHASHSEED", "0"),),
        True,
        3,
        "3 runs of the changed program agree to the last bit",
        1.01,
        (0.99, 1.03),
    ),
    price=Price(
        3,
        Cost((), (), 1.01, (0.98, 1.1)),
        (
            Cost(("python-random",), (), 1.31, (1.27, 1.4)),
            Cost(("hash-seed",), (), 1.0, (0.96, 1.02)),
            Cost(("clock",), (), 1.06, (1.04, 1.07)),
            Cost(("python-random", "op-determinism"), ("python-random",)),
        ),
        Cost(("python-random",), (), 1.31, (1.27, 1.4)),
        Cost(("os-entropy",), ("python-random",), 0.8, (0.75, 0.9)),
        ("without python-random, of os-entropy: os-entropy will do too, and is faster",),
    ),
    observer=Observer(True, "pinned, watched and bare runs end on the same bits"),
    search=Search(
        24, 61.5, ("hash-seed: part", "python-random: agree"), ("clock",), ("one-worker",)
    ),
    trials=(Finished(Trial(LOOSE, 0), 1, Outcome(COMPLETED, "", 5.5, 400_000_000), None),),
    began="2026-01-02T03:04:05+00:00",
    seconds=93.0,
)
AGREED = RunAudit(
    "train.py",
    {"seed": 1},
    True,
    "the runs agree to the last bit",
    repeats=Repeats(5, 2, 0),
    bare=Repeats(2, 1, 0),
    notes=("the script starts Python processes",),
    outputs=(
        Output("saved", "model.keras", True),
        Output("metric", "seconds", False),
        Output("data", "batches that no step used", False),
        Output("name", "calm / brave", False),
        Output("generator", "Python's random", False),
        Output("printed", "standard output", False, 12),
    ),
    rests_on=(
        Varied("hash-seed", "another hash seed", True, "the same bits"),
        Varied(
            "intra-op-threads",
            "another thread count",
            False,
            "other bits",
            Divergence("update", 3, "dense/kernel", "bits"),
        ),
    ),
    strict=False,
)


def document(audit):
    return build_run.document(audit, Private(home="/home/ada", temporary="/tmp", host="engine"))


def shown(found, width=80, verbose=False, **options):
    console = Console(file=StringIO(), width=width, _environ={}, **options)
    console.print(faces.on_screen(found, verbose), crop=False)
    return console.file.getvalue()


def test_the_answer_fits_one_screen_and_says_what_where_why_and_the_fix():
    text = shown(document(replace(PARTED, price=replace(PARTED.price, faster=None))))
    lines = text.splitlines()
    assert lines[0].startswith(
        "NOT REPRODUCIBLE  3 of 3 pairs of runs of train.py part; the fix below"
    )
    assert len(lines) < 30
    for said in (
        "Origin it came in with the first values of this variable",
        "init, sequential/dense/kernel (10 of 10 elements differ, by up to 9 ULPs)",
        "python-random",
        "without its pin",
        "train.py:7, 2 draws, through get",
        "nets/model.py:12 in make, 1 draw",
        "do not reach it",
        "verified: 3 runs",
        "1.01 times as long",
        "export PYTHONHASHSEED=0",
        "+random.seed(1)",
        "exit code 1",
    ):
        assert said in " ".join(text.split()), said


def test_the_price_tells_what_costs_from_noise_and_names_the_faster_set():
    text = " ".join(shown(document(PARTED)).split())
    assert (
        "Price python-random 1.31 times as long (1.27 to 1.40); hash-seed, clock nothing that can be told from "
        "noise (0.96 to 1.07)"
    ) in text
    assert (
        "Faster os-entropy will do as well, and takes 0.80 times as long (0.75 to 0.90) as python-random"
        in text
    )
    assert "os-entropy is held by" in text
    page = markdown_run.render(document(PARTED))
    for said in (
        "price of clock: 1.06 times as long",
        "noise: as it is, against itself: 1.01 times",
        "beside python-random): a run did not complete",
        "will do too, and is faster",
    ):
        assert said in page, said
    long = replace(
        PARTED, price=None, no_price="one run takes 95 s: --price times the pins all the same"
    )
    assert "Price not measured: one run takes 95 s" in " ".join(shown(document(long)).split())


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (0.912, 0.931, "accuracy 0.912 in one run, 0.931 in the other"),
        (0.91200001, 0.91200002, "accuracy 0.91200001 in one run, 0.91200002 in the other"),
        (1e-9, -3.0, "accuracy 1e-09 in one run, -3 in the other"),
    ],
)
def test_the_headline_says_the_difference_in_the_authors_own_unit(first, second, said):
    found = document(replace(PARTED, quantity=Quantity("accuracy", first, second)))
    assert f"3 of 3 pairs of runs of train.py part, {said}; the fix below" in " ".join(
        shown(found).split()
    )
    assert said in markdown_run.render(found)
    assert json.loads(write.to_json(found))["quantity"] == {
        "name": "accuracy",
        "first": first,
        "second": second,
    }


def test_causes_that_are_needed_together_say_so():
    two = (*PARTED.causes, Cause("hash-seed", "hash-seed", True))
    assert "Together all 2 pins are needed" in " ".join(
        shown(document(replace(PARTED, causes=two))).split()
    )
    unsure = (*PARTED.causes, Cause("hash-seed", "hash-seed", None))
    for causes in (PARTED.causes, unsure):
        assert "Together" not in shown(document(replace(PARTED, causes=causes)))


def test_a_result_that_rests_on_the_machine_says_on_what():
    text = " ".join(shown(document(AGREED)).split())
    assert text.startswith(
        "REPRODUCIBLE 5 runs of train.py end on the same bits, watched and bare (a parting rate"
    )
    assert "Rests on other bits with another thread count" in text
    assert (
        "Holds with another hash seed" in text and "Note the script starts Python processes" in text
    )
    assert (
        "Beside it the metric seconds differs, the batches that no step used differ, names differ (calm / brave), "
        "the state of Python's random at the end differs, what it prints differs, from line 12 on: not judged"
        in text
    ) and "model.keras" not in text
    assert "model.keras: the same in all runs" in " ".join(
        shown(document(AGREED), verbose=True).split()
    )
    assert document(AGREED).exit_code == 0


@pytest.mark.parametrize("audit", [PARTED, AGREED])
def test_written_read_and_written_again_gives_equal_bytes_and_equal_faces(audit):
    found = document(audit)
    text = write.to_json(found)
    again = read.decode(text.encode(), "run.json")
    assert isinstance(again, v1.RunReport) and again == found and write.to_json(again) == text
    assert json.loads(text)["command"] == "run"
    assert shown(again, verbose=True) == shown(found, verbose=True)
    assert markdown_run.render(again) == markdown_run.render(found)


def test_names_that_others_read_are_there():
    told = json.loads(write.to_json(document(PARTED)))
    assert {
        "reproducible",
        "causes",
        "first_divergence",
        "fix",
        "search",
        "rests_on",
        "observer",
        "open",
        "format",
        "version",
        "tool",
        "command",
        "machine",
        "environment",
        "trials",
        "verdicts",
        "outcome",
        "exit_code",
    } <= told.keys()
    assert {"source", "necessary", "sites"} <= told["causes"][0].keys()
    assert {"file", "line", "function", "draws", "in_user_code"} <= told["causes"][0]["sites"][
        0
    ].keys()
    assert {"diff", "environment", "verified", "trials"} <= told["fix"].keys()
    assert "/home/ada" not in json.dumps(told)


def test_a_line_with_a_key_in_it_reaches_no_report():
    key = 'wandb.login(key="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b")'
    diff = f"--- a/t.py\n+++ b/t.py\n@@ -1,2 +1,3 @@\n import keras\n+keras.utils.set_random_seed(1)\n {key}\n"
    found = document(
        replace(PARTED, fix=replace(PARTED.fix, diff=diff), traceback=f"  {key}\nValueError: no\n")
    )
    for text in (write.to_json(found), markdown_run.render(found), shown(found, verbose=True)):
        assert "9f86d081" not in text and "set_random_seed(1)" in text


def test_a_run_has_no_junit_form():
    with pytest.raises(UsageError, match="no junit form"):
        faces.rendered(document(PARTED), "junit")


@pytest.mark.parametrize("text", HOSTILE)
def test_no_string_of_a_document_reaches_a_terminal_or_a_page_raw(text):
    whole = json.loads(write.to_json(document(PARTED)))
    found = read.decode(
        json.dumps({**poisoned(whole, text), "outcome": whole["outcome"]}).encode(), "poisoned.json"
    )
    assert all(one == "\n" or one.isprintable() for one in shown(found, verbose=True))
    coloured = shown(found, force_terminal=True, color_system="standard")
    assert all(one == "\n" or one.isprintable() for one in re.sub(r"\x1b\[[\d;]*m", "", coloured))
    page = re.sub(r"```.*?```", "", markdown_run.render(found), flags=re.S)
    assert "<script" not in page and "<img" not in page and "@everyone" not in page
    assert len(markdown_run.render(found)) < 60_000

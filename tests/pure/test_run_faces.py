"""The formats of a run's report: complete, and harmless whatever a document contains."""

import json
import re
from dataclasses import replace

import pytest
from detaudit.commands.run.findings import RUNS_DIFFER, Cause, Quantity, Search
from detaudit.report import read, write
from detaudit.report.formats import registry
from detaudit.report.pages import wording
from detaudit.report.pages.run import describe_site
from detaudit.report.schema import v1
from msgspec import structs

from tests.pure.example_runs import DIFFERING, MATCHING, document
from tests.pure.golden import on_terminal as shown
from tests.pure.test_report_faces import HOSTILE, poisoned


def test_the_answer_fits_one_screen_and_says_what_where_why_and_the_fix():
    text = shown(
        document(replace(DIFFERING, cost=replace(DIFFERING.cost, faster_set=None))), height=99
    )
    lines = text.splitlines()
    assert lines[0].startswith(
        "NOT REPRODUCIBLE  All 3 pairs of runs of train.py differ. With the fix they are"
    )
    assert len(lines) < 33
    for said in (
        "Origin the variable differed before its first step",
        "init, sequential/dense/kernel (10 of 10 elements differ, by up to 9 ULPs)",
        "python-random",
        "if only this pin is removed",
        "train.py:7, 2 draws, through get",
        "nets/model.py:12 in make, 1 draw",
        "do not affect it",
        "verified: 6 runs",
        "run time within noise",
        "export PYTHONHASHSEED=0",
        "+random.seed(1)",
        "exit code 1",
    ):
        assert said in " ".join(text.split()), said


@pytest.mark.parametrize(
    "stack, name",
    [
        (["random.py:7 in shuffle", "_split.py:9 in train_test_split"], "train_test_split"),
        (
            ["_split.py:9 in train_test_split", "_validation.py:2 in wrapper"],
            "train_test_split",
        ),
        (["tools.py:1 in wrapper"], "wrapper"),
    ],
)
def test_a_line_drew_through_the_function_that_it_calls_and_not_through_its_decorator(stack, name):
    site = v1.Site("train.py", 3, "", 1, False, tuple(stack))
    assert describe_site(site, "numpy-legacy") == f"train.py:3, 1 draw, through {name}"


def test_the_call_that_a_fix_changes_is_named_as_that():
    site = v1.Site("train.py", 9, "", 0, False, ("create_study",))
    told = describe_site(site, "numpy-generator")
    assert told == "train.py:9, the call of create_study that the fix changes"


def test_the_cost_tells_what_costs_from_noise_and_names_the_faster_set():
    text = " ".join(shown(document(DIFFERING)).split())
    assert (
        "Cost python-random: 1.31x (1.27x to 1.40x); hash-seed, clock: within noise (0.96x to 1.07x)"
    ) in text
    assert (
        "Faster os-entropy also works, at 0.80x (0.75x to 0.90x) the time of python-random" in text
    )
    assert "lines that pin os-entropy" in text
    page = registry.rendered(document(DIFFERING), "markdown")
    for said in (
        "cost of clock:** within noise",
        "noise:** the unchanged script against itself: 0.98x to 1.10x",
        "with python-random):** a run did not complete",
        "also works, and is faster",
    ):
        assert said in page, said
    long = replace(
        DIFFERING,
        cost=None,
        no_cost_reason="one run takes 95 s; --cost times the pins anyway",
    )
    assert "Cost not measured: one run takes 95 s" in " ".join(shown(document(long)).split())


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (0.912, 0.931, "accuracy 0.912 in one run, 0.931 in another"),
        (0.91200001, 0.91200002, "accuracy 0.91200001 in one run, 0.91200002 in another"),
        (1e-9, -3.0, "accuracy 1e-09 in one run, -3 in another"),
    ],
)
def test_the_headline_says_the_difference_in_the_authors_own_unit(first, second, said):
    found = document(replace(DIFFERING, quantity=Quantity("accuracy", first, second)))
    assert f"All 3 pairs of runs of train.py differ ({said}). With the fix they" in " ".join(
        shown(found).split()
    )
    assert said in registry.rendered(found, "markdown")
    assert json.loads(write.to_json(found))["quantity"] == {
        "name": "accuracy",
        "first": first,
        "second": second,
    }


@pytest.mark.parametrize(
    ("matching", "differing", "said"),
    [
        (0, 1, "Two runs of train.py differ."),
        (0, 2, "Both pairs of runs of train.py differ."),
        (0, 3, "All 3 pairs of runs of train.py differ."),
        (2, 1, "1 of 3 pairs of runs of train.py differs."),
        (1, 2, "2 of 3 pairs of runs of train.py differ."),
    ],
)
def test_the_headline_counts_pairs_as_one_says_it(matching, differing, said):
    repeats = replace(DIFFERING.repeats, matching=matching, differing=differing)
    assert said in " ".join(shown(document(replace(DIFFERING, repeats=repeats))).split())


@pytest.mark.parametrize(
    ("reason", "no_fix", "said"),
    [
        ("", "", "differ. No cause was found."),
        ("", "the cause was not searched for (--no-search)", "differ; the cause was not searched"),
        ("; interrupted before the cause was found", "", "differ; interrupted before the cause"),
        (": the second run reads a file of the first", "", "differ; the second run reads a file"),
    ],
)
def test_a_headline_says_once_that_runs_differ(reason, no_fix, said):
    known = replace(
        DIFFERING, causes=(), fix=None, reason=RUNS_DIFFER + reason, no_fix_reason=no_fix
    )
    headline = " ".join(shown(document(known)).split()).partition(" Where ")[0]
    assert said in headline and RUNS_DIFFER not in headline


def test_who_did_not_search_is_told_how_to():
    known = replace(DIFFERING, causes=(), fix=None, reason=RUNS_DIFFER)
    searched = " ".join(shown(document(known), height=9).split())
    alone = " ".join(shown(document(replace(known, search=Search())), height=9).split())
    assert "leave out --no-search" in alone and "leave out --no-search" not in searched
    cut = " ".join(shown(document(replace(known, over_budget=True)), height=9).split())
    assert "give a larger --budget" in cut and "file a bug" not in cut


def test_causes_that_are_needed_together_say_so():
    two = (*DIFFERING.causes, Cause("hash-seed", "hash-seed", True))
    assert "All required runs differ if either pin is removed" in " ".join(
        shown(document(replace(DIFFERING, causes=two))).split()
    )
    three = (*two, Cause("clock", "clock", True))
    assert "All required runs differ if any one of the 3 pins is removed" in " ".join(
        shown(document(replace(DIFFERING, causes=three))).split()
    )
    unsure = (*DIFFERING.causes, Cause("hash-seed", "hash-seed", None))
    for causes in (DIFFERING.causes, unsure):
        assert "All required" not in shown(document(replace(DIFFERING, causes=causes)))


@pytest.mark.parametrize(
    ("imported", "said"),
    [
        (None, "Python 3.11.7, TensorFlow 2.21.0, Keras 3.15.1"),
        (["scikit-learn", "numpy"], "Python 3.11.7, scikit-learn 1.7"),
        (["keras", "torch", "numpy"], "Python 3.11.7, Torch 2.13, Keras 3.15.1"),
        (["numpy"], "Python 3.11.7, NumPy 2.3"),
        ([], "Python 3.11.7"),
    ],
)
def test_only_what_the_program_has_imported_was_tested(imported, said):
    packages = {"tensorflow": "2.21.0", "keras": "3.15.1", "torch": "2.13", "numpy": "2.3"}
    facts = {"python": "3.11.7", "packages": {**packages, "scikit-learn": "1.7"}}
    facts |= {} if imported is None else {"imported": imported}
    tested = wording.context(structs.replace(document(MATCHING), environment=facts, machine={}))
    assert tested == said


def test_a_result_that_depends_on_the_machine_says_on_what():
    text = " ".join(shown(document(MATCHING)).split())
    assert text.startswith(
        "REPRODUCIBLE 5 recorded runs of train.py are bitwise identical, and so are 2 unrecorded runs "
        "(a rate"
    )
    assert "Depends on the result changes with another thread count" in text
    assert (
        "Unaffected by another hash seed" in text
        and "Note the script starts or forks processes" in text
    )
    assert (
        'Not judged the metric "seconds" differs, the batches that no step used differ, names differ (calm / brave), '
        "the state of Python's random module at the end differs, the printed output differs from line 12 on; "
        "the training matches" in text
    ) and "model.keras" not in text
    assert "model.keras: identical in all runs" in " ".join(
        shown(document(MATCHING), verbose=True).split()
    )
    assert document(MATCHING).exit_code == 0


@pytest.mark.parametrize("audit", [DIFFERING, MATCHING])
def test_written_read_and_written_again_gives_equal_bytes_and_equal_faces(audit):
    found = document(audit)
    text = write.to_json(found)
    again = read.decode(text.encode(), "run.json")
    assert isinstance(again, v1.RunReport) and again == found and write.to_json(again) == text
    assert json.loads(text)["command"] == "run"
    assert shown(again, verbose=True) == shown(found, verbose=True)
    assert registry.rendered(again, "markdown") == registry.rendered(found, "markdown")


def test_names_that_others_read_are_there():
    reported = json.loads(write.to_json(document(DIFFERING)))
    assert {
        "reproducible",
        "causes",
        "first_divergence",
        "fix",
        "search",
        "depends_on",
        "unaffected_by",
        "unresolved_settings",
        "observer",
        "unresolved_pins",
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
    } <= reported.keys()
    assert {"source", "necessary", "sites"} <= reported["causes"][0].keys()
    assert {"file", "line", "function", "draws", "in_user_code"} <= reported["causes"][0]["sites"][
        0
    ].keys()
    assert {"diff", "environment", "verified", "runs"} <= reported["fix"].keys()
    assert "/home/ada" not in json.dumps(reported)


def test_a_line_with_a_key_in_it_reaches_no_report():
    key = 'wandb.login(key="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b")'
    diff = f"--- a/t.py\n+++ b/t.py\n@@ -1,2 +1,3 @@\n import keras\n+keras.utils.set_random_seed(1)\n {key}\n"
    found = document(
        replace(
            DIFFERING, fix=replace(DIFFERING.fix, diff=diff), traceback=f"  {key}\nValueError: no\n"
        )
    )
    for text in (
        write.to_json(found),
        registry.rendered(found, "markdown"),
        shown(found, verbose=True),
    ):
        assert "9f86d081" not in text and "set_random_seed(1)" in text


@pytest.mark.parametrize("text", HOSTILE)
def test_no_string_of_a_document_reaches_a_terminal_or_a_page_raw(text):
    whole = json.loads(write.to_json(document(DIFFERING)))
    found = read.decode(
        json.dumps({**poisoned(whole, text), "outcome": whole["outcome"]}).encode(), "poisoned.json"
    )
    assert all(one == "\n" or one.isprintable() for one in shown(found, verbose=True))
    coloured = shown(found, force_terminal=True, color_system="standard")
    assert all(one == "\n" or one.isprintable() for one in re.sub(r"\x1b\[[\d;]*m", "", coloured))
    page = re.sub(r"```.*?```", "", registry.rendered(found, "markdown"), flags=re.S)
    assert "<script" not in page and "<img" not in page and "@everyone" not in page
    assert len(registry.rendered(found, "markdown")) < 60_000

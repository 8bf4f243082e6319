"""From the results of runs with different seeds to their statistics and the answer."""

import json
import math
import signal
from dataclasses import replace

import pytest
from detaudit.commands.spread import noise, results
from detaudit.commands.spread.conclusion import conclude
from detaudit.commands.spread.options import Options
from detaudit.commands.spread.results import pattern_of
from detaudit.commands.spread.session import each_seed
from detaudit.commands.spread.summary import churn, metric, with_needed
from detaudit.core.condition import Condition, Trial
from detaudit.errors import UsageError
from detaudit.report.pages.spread import answer, details, rounded
from detaudit_probes.protocol import Measures

from tests.pure import example_spreads as examples
from tests.pure.handmade import Bench


def test_a_metric_has_the_statistics_of_its_finite_values():
    found = metric("loss", [1.0, 2.0, math.nan, 3.0, math.inf, 6.0, 5.0], 1)
    assert found.values == (1.0, 2.0, None, 3.0, None, 6.0, 5.0)
    assert (found.mean, found.least, found.greatest) == (3.4, 1.0, 6.0)
    assert found.spread == pytest.approx(math.sqrt(4.3))
    assert found.distinct == 6 and found.mean_interval.low < 3.4 < found.mean_interval.high
    more = metric("loss", [1.0, 2.0, 3.0, 6.0, 5.0, 4.0, 9.0, 1.5, 2.5, 7.0], 1)
    assert more.spread_interval.low < more.spread < more.spread_interval.high
    assert found == metric("loss", [1.0, 2.0, math.nan, 3.0, math.inf, 6.0, 5.0], 1)


def test_what_few_runs_do_not_show_is_not_claimed():
    alone = metric("loss", [1.0, math.nan], 1)
    assert alone.mean is None and alone.detectable is None and alone.spread_interval is None
    few = metric("loss", [1.0, 2.0, 3.0], 1)
    assert few.spread == 1.0 and few.spread_interval is None
    assert few.no_spread_interval == "10 values are needed, not 3"
    ties = metric("loss", [1.0] * 9 + [2.0], 1)
    assert ties.spread_interval is None and ties.no_spread_interval


def test_each_run_has_its_own_seed_and_nothing_else_of_its_own():
    (wanted,) = list(each_seed(Condition("tensorflow", "cpu", "tutorial", 7, pins=("clock",)), 3))
    assert [trial.condition.seed for trial in wanted] == [7, 8, 9]
    assert len({replace(trial.condition, seed=0) for trial in wanted}) == 1


def test_runs_that_are_missing_are_not_passed_over():
    assert conclude(examples.VARYING).exit_code == 0
    partly = conclude(examples.PARTLY)
    assert (partly.outcome, partly.exit_code) == ("inconclusive", 3)
    assert partly.reason == (
        "some runs did not complete: 5 of 6 completed (died from SIGSEGV after 3 steps)"
    )
    assert conclude(replace(examples.PARTLY, over_budget=True)).reason.startswith("the budget")
    assert conclude(replace(examples.VARYING, metrics=())).exit_code == 3
    assert conclude(replace(examples.VARYING, interrupted=True)).exit_code == 130
    assert Options("python").runs == 30


@pytest.mark.parametrize(
    ("values", "verdict", "said"),
    [
        ([math.nan] * 6, "NOT DECIDED", "No result is a finite number in two runs."),
        ([0.5] + [math.nan] * 5, "NOT DECIDED", "No result is a finite number in two runs."),
        ([0.5] * 5 + [math.inf], "EQUAL RESULTS", "1 of them ended without a finite loss"),
        ([0.5] * 6, "EQUAL RESULTS", "is the same, but not all that they end with."),
        ([0.1, 0.2, 0.3, 0.4, 0.5, math.nan], "RESULTS VARY", "1 of them ended without"),
    ],
)
def test_results_that_are_no_numbers_are_not_called_equal(values, verdict, said):
    """Six runs that ended on NaN were."""
    audit = replace(examples.VARYING, metrics=(metric("loss", values, 1),))
    found = answer(examples.document(audit))
    assert found.verdict == verdict and said in found.sentence


@pytest.mark.parametrize(
    ("value", "spread", "shown"),
    [
        (0.0123456, 0.0021, "0.0123"),
        (93.21, 1.7, "93.2"),
        (1234.5, 40.0, "1234"),
        (0.5, 0.0, "0.5"),
        (1.5e-7, 3e-20, "1.5e-07"),
        (1.83e-9, 2.3e-9, "1.8e-09"),
        (3.2123456e-7, 1e-9, "3.212e-07"),
        (0.0, 1e-9, "0"),
        (0.0, 0.012, "0.000"),
    ],
)
def test_a_value_has_the_digits_that_its_spread_leaves(value, spread, shown):
    assert rounded(value, spread) == shown


@pytest.mark.parametrize(
    ("audit", "verdict", "said", "seeds"),
    [
        (
            examples.OF_CALLS,
            "RESULTS VARY",
            "The loss of 6 runs of train.py with different seeds is",
            "0 to 5, added to those that the program sets at train.py:6 (random.seed), train.py:7 (torch.manual_seed)",
        ),
        (
            examples.OF_ARGUMENTS,
            "RESULTS VARY",
            "of 6 runs of train.py with different seeds",
            "1 to 6, in the arguments --seed {seed}",
        ),
        (
            examples.FREE,
            "RESULTS VARY",
            "The loss of 6 runs of train.py is",
            "the program sets no seed that detaudit can change, so each run is as it is",
        ),
        (
            examples.IGNORED,
            "SEED IGNORED",
            "Runs of train.py with the seeds 1 to 2 train the same weights bit for bit: it does not use the variable",
            "1 to 2, in the variable SEED",
        ),
    ],
)
def test_the_answer_says_whose_runs_and_how_they_were_seeded(audit, verdict, said, seeds):
    document = examples.document(audit)
    assert answer(document).verdict == verdict and said in answer(document).sentence
    (line,) = [line for line in details(document) if line.label == "Seeds"]
    assert line.value == seeds


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("val_acc=([0-9.]+)", "val_acc"),
        (r"epoch [0-9]+ loss\s+(\S+)", "loss"),
        ("Test accuracy: (.*)%", "Test accuracy"),
        ("(?P<auc>[0-9.]+) is the AUC", "auc"),
        ("([0-9.]+)", "([0-9.]+)"),
    ],
)
def test_a_pattern_has_the_name_of_its_group_or_of_the_words_before_it(pattern, name):
    assert pattern_of(pattern)[0] == name


def test_two_programs_are_told_apart_only_if_their_pairs_are():
    found = answer(examples.document(examples.BETTER))
    assert found.verdict == "DIFFERENT"
    assert found.sentence.startswith(
        "The loss of other.py is smaller than that of train.py, by 0.00197 on average over 6 pairs of runs"
    )
    found = answer(examples.document(examples.UNSURE))
    assert found.verdict == "NO DIFFERENCE FOUND" and "which may be chance (p = " in found.sentence
    few = replace(examples.BETTER, against=examples.against((0.01, 0.02, 0.03)))
    found = answer(examples.document(few))
    assert found.verdict == "TOO FEW RUNS" and "six are needed" in found.sentence
    equal = replace(examples.OF_ARGUMENTS, against=examples.against(examples.LOSSES))
    assert answer(examples.document(equal)).verdict == "EQUAL RESULTS"
    missing = replace(examples.BETTER, against=examples.against(examples.LOSSES, (1, 2, 3)))
    assert conclude(missing).reason == "some runs did not complete: 9 of 12 completed"


def test_a_difference_is_held_against_the_noise_of_a_file(tmp_path):
    path = tmp_path / "noise.json"
    path.write_text(noise.text(examples.VARYING.metrics, 1))
    found = json.loads(path.read_text())["loss"]
    assert found["n"] == 6 and found["identical"] == 1
    assert found["interval"][0] < found["mean"] < found["interval"][1]
    assert noise.above(path, found["mde"], None) == noise.above(path, -found["mde"], "loss")
    assert noise.above(path, found["mde"], None)[0]
    enough, said = noise.above(path, 0.001, "loss")
    assert not enough and said.endswith("66 runs of each mostly show it.")
    for text, metric_of, said in (
        (path.read_text(), "accuracy", "has no metric 'accuracy'; it has loss"),
        ('{"loss": {"mde": null}}', None, "does not say which difference"),
        ("[]", None, "is no file of"),
        ("{", None, "Cannot read"),
    ):
        path.write_text(text)
        with pytest.raises(UsageError, match=said):
            noise.above(path, 0.1, metric_of)


def test_the_sources_that_act_alone_are_named_and_not_ranked():
    document = examples.document(examples.BY_SOURCE)
    assert answer(document).sentence == (
        "Runs differ if only this is left free: numpy-legacy with os-entropy."
    )
    none = replace(examples.BY_SOURCE, by_source=examples.BY_SOURCE.by_source[:2])
    assert answer(examples.document(none)).verdict == "IDENTICAL"
    differing = replace(none.by_source[0], identical=1)
    undecided = replace(none, by_source=(differing,))
    assert conclude(undecided).reason == "runs differ with everything pinned"
    assert answer(examples.document(undecided)).verdict == "NOT DECIDED"
    failed = replace(none, by_source=(replace(differing, runs=1),))
    assert conclude(failed).reason == "only 1 of 6 runs with everything pinned completed"
    crashed = (none.by_source[0], replace(none.by_source[1], runs=0, identical=0))
    assert conclude(replace(none, by_source=crashed)).reason == (
        "only 0 of 3 runs with hash-seed unpinned completed"
    )
    early = replace(none, by_source=(), over_budget=True)
    assert conclude(early).reason == "the budget ran out before every source was tried"


def test_the_runs_that_find_a_difference_follow_from_the_standard_deviation():
    """The detectable difference of n runs needs n runs; a tenth of it, a hundred times as many."""
    (found,) = with_needed((metric("loss", [float(one) for one in range(40)], 1),), None)
    assert found.needed is None
    for share, runs in ((1.0, 40), (2.0, 40), (0.1, 4000)):
        (wanted,) = with_needed((found,), share * found.detectable)
        assert wanted.needed == pytest.approx(runs, abs=1)
    document = examples.document(
        replace(
            examples.VARYING,
            options={**examples.VARYING.options, "delta": 0.001},
            metrics=with_needed(examples.VARYING.metrics, 0.001),
        )
    )
    (line,) = [one for one in details(document) if one.label == "Needed, loss"]
    assert line.value.startswith("66 runs of each of two versions find a difference of 0.001")
    equal = metric("loss", [0.5] * 6, 1)
    assert with_needed((equal,), 0.1) == (equal,)


def test_churn_is_the_share_of_examples_that_two_runs_classify_differently(fresh_folder):
    """Two of three runs agree on the second example, all on the others: of the 3 pairs, 2 disagree
    on 1 of 4 examples.
    """
    classes = iter([(0, 1, 2, 3), (0, 1, 2, 3), (0, 2, 2, 3)])
    bench = Bench(fresh_folder, lambda trial: 0.5)
    bench.measures = lambda trial: Measures(predicted=next(classes))
    condition = Condition("tensorflow", "cpu", "classifier", 1)
    runs = [bench.answer(Trial(condition, draw)) for draw in range(3)]
    assert churn(runs) == pytest.approx(2 / 3 / 4)
    assert churn(runs[:1]) is None
    others = iter(["a", "b"])
    bench.measures = lambda trial: Measures(predicted=(0, 1), predicted_for=next(others))
    assert churn([bench.answer(Trial(condition, draw)) for draw in (3, 4)]) is None
    examples_of = replace(examples.VARYING, churn=0.125)
    (line,) = [one for one in details(examples.document(examples_of)) if one.label == "Churn"]
    assert line.value.startswith("12.5%: the share of test examples")


def test_a_pattern_that_tries_every_way_is_ended(monkeypatch):
    monkeypatch.setattr(results, "MOST_SECONDS", 0.2)
    read = results.reader([r"(?:a+)+(b)"], None)
    monkeypatch.setattr(results, "_output", lambda run: "a" * 40)
    with pytest.raises(UsageError, match=r"for more than 0\.2 s"):
        read(None)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_equal_values_have_no_spread_whatever_rounding_leaves():
    assert metric("loss", [0.1] * 6, 1).spread == 0.0

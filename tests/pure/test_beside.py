"""The report beside the verdict of a run: the origin of a divergence, saved and printed output,
placebos.
"""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from detaudit.commands.run import growth, session
from detaudit.commands.run.findings import Cause, Fix, Output, Quantity, Repeats, RunAudit
from detaudit.commands.run.origin import origin, suspects
from detaudit.commands.run.outputs import outputs, quantity
from detaudit.commands.run.repeat import compare_ends, compare_runs, counted
from detaudit.core.condition import Condition, Trial
from detaudit.core.divergence import Divergence, Match
from detaudit.core.experiment import Finished
from detaudit.core.outcome import COMPLETED, FAILED, Outcome
from detaudit.errors import UsageError
from detaudit.execution import limits
from detaudit_probes import placebos

from tests.pure.handmade import Once, Step, with_contents, with_measures, written

TRIAL = Trial(Condition("tensorflow", "auto", "train.py", 1), 0)


@pytest.fixture
def runs(fresh_folder):
    """Runs with these traces: acts each, or (acts, digests, printed)."""

    def made(*each):
        found = []
        for one in each:
            acts, digests, printed = one if isinstance(one, tuple) else (one, {}, b"")
            trace = written(fresh_folder(), acts, digests=digests)
            run = Finished(TRIAL, len(found), Outcome(COMPLETED), trace)
            found.append(with_contents(run, printed=printed))
        return found

    return made


def training(start=0.0, fit=0.0, batch=0.0, weight=0.0, loss=0.0, layer=None):
    """A run in which Python's generator had these states, and in which these values were
    recorded.
    """
    seeds = [] if layer is None else [Once("rng", "dropout/seed_generator_state", layer)]
    return [
        Once("rng", "random at the start", start),
        *seeds,
        Once("init", "w", weight),
        Once("rng", "random at fit", fit),
        Step(0, (("data", "batch.0", batch), ("loss", "loss", loss), ("update", "w", loss)), "fit"),
    ]


def unfed(loss=0.0):
    return [
        Once("init", "w", 0.0),
        Step(0, (("loss", "loss", loss), ("update", "w", loss)), "loop"),
    ]


ORIGINATES = "the difference originates here"
CAME = "already differed"


@pytest.mark.parametrize(
    ("left", "right", "said"),
    [
        (training(), training(), ""),
        (training(), training(batch=1.0), "the batches of this step already differed"),
        (training(), training(weight=1.0), "the variable differed before its first step"),
        (training(), training(loss=1.0), ORIGINATES),
        # Each process begins with a state of its own: one that nobody has drawn from is no
        # difference that went in.
        (
            training(1.0, 1.0),
            training(2.0, 2.0, loss=1.0),
            "the difference originates here: the batches and the weights were equal before, but not "
            "the state of Python's random module, which nothing had used until then",
        ),
        (
            training(1.0, 3.0),
            training(2.0, 4.0, loss=1.0),
            "Python's random module already differed",
        ),
        # Seeded on both sides before the step: it went in equal.
        (training(1.0, 5.0), training(2.0, 5.0, loss=1.0), "NumPy and Keras were equal before"),
        (
            training(layer=1.0),
            training(layer=2.0, loss=1.0),
            "dropout/seed_generator_state already differed",
        ),
        (training(layer=1.0), training(layer=1.0, loss=1.0), ORIGINATES),
        # What one compiled function of the script's hands to the next, such as gradients.
        (
            [
                *unfed(),
                Step(1, (("data", "argument[0]", 0.0), ("forward", "argument[1]", 1.0)), "loop"),
            ],
            [
                *unfed(),
                Step(1, (("data", "argument[0]", 0.0), ("forward", "argument[1]", 2.0)), "loop"),
            ],
            "what another function of the script computed already differed",
        ),
        # A loop of the user's own, whose batches nobody has seen: nothing is known of what went in.
        (unfed(), unfed(loss=1.0), "the batches were not recorded"),
        # A run that ends early says nothing of what went in.
        (training(), training()[:-1], ""),
    ],
)
def test_it_is_reported_whether_a_divergence_came_in_or_originated_there(runs, left, right, said):
    reported = origin(runs(left, right))
    assert said in reported and bool(reported) == bool(said)


def test_a_generator_that_differs_only_after_the_divergence_did_not_bring_it_in(runs):
    later = [Once("rng", "random at the end", 1.0)], [Once("rng", "random at the end", 2.0)]
    assert ORIGINATES in origin(runs(training() + later[0], training(loss=1.0) + later[1]))


def test_a_run_that_ends_early_is_distinguished_from_one_that_differs(runs):
    def steps(count, loss=0.0, later=()):
        return [Step(place, (("loss", "loss", loss),), "fit") for place in range(count)] + list(
            later
        )

    # An epoch ends in one run where the other makes another step: its result is what parts first,
    # seen from there.
    value = (
        [Once("metric", "val_loss after an epoch", 1.0)],
        [Once("metric", "val_loss after an epoch", 2.0)],
    )
    assert counted(runs(steps(2, later=value[0]), steps(3, later=value[1]))).cut_short
    assert not counted(runs(steps(2), steps(3, loss=1.0))).cut_short
    # Another fit follows, whose steps stand behind those of the first.
    begins, more = (
        Once("rng", "random at fit", 1.0),
        lambda place: Step(place, (("loss", "loss", 9.0),), "fit"),
    )
    assert counted(
        runs([begins, *steps(2), begins, more(2)], [begins, *steps(3), begins, more(3)])
    ).cut_short
    assert not counted(runs(steps(2, later=value[0]), steps(2, later=value[1]))).cut_short


def test_the_pair_is_the_one_whose_divergence_is_reported(runs):
    assert origin(runs(training(), training(), training(batch=2.0))).startswith(
        "the batches of this step already differed"
    )
    some = runs(training(), training(), training(batch=2.0), training(batch=2.0, weight=3.0))
    assert counted(some).divergence.stage == "init" and "before its first step" in origin(some)


def test_suspects_are_generators_that_differed_before_and_sources_that_were_met(runs):
    assert suspects(runs(training(1.0, 3.0), training(2.0, 4.0, loss=1.0))) == {"python-random"}
    assert suspects(runs(training(1.0, 1.0), training(2.0, 2.0, loss=1.0))) == set()
    used = [with_measures(one, used=("thread-race",)) for one in runs(training(), training())]
    assert suspects(used) == {"thread-race"}


@pytest.mark.parametrize(("observed", "reported"), [("loss", 1.0), ("other", None)])
def test_the_distance_is_reported_of_a_further_pair_that_differs_at_the_same_place(
    runs, observed, reported
):
    known = RunAudit(
        "train.py", {}, False, "", repeats=Repeats(2, 0, 1, Divergence("loss", 0, observed, "bits"))
    )
    audit = growth.described(known, *runs(training(), training(loss=1.0)))
    distance = audit.repeats.divergence.distance
    assert (distance and distance.max_abs) == reported and audit.growth[0].differing_elements == 1


def test_saved_and_printed_things_are_compared_over_all_runs(runs):
    same, other = (
        {"saved a.npy": "1", "final": "x"},
        {"saved a.npy": "2", "saved b.npy": "3", "final": "y"},
    )
    acts = training()
    assert outputs(runs((acts, same, b"one\ntwo\n"), (acts, same, b"one\ntwo\n"))) == (
        Output("saved", "a.npy", True),
        Output("printed", "standard output", True),
    )
    assert outputs(
        runs((acts, same, b"1\n2\n3\n"), (acts, same, b"1\n2\n3\n4"), (acts, other, b"1\n9\n3\n"))
    ) == (
        Output("saved", "a.npy", False),
        Output("saved", "b.npy", False),
        Output("printed", "standard output", False, 2),
    )
    assert outputs(runs((acts, {}, b""), (acts, {}, b""))) == ()
    failed = Finished(TRIAL, 9, Outcome(FAILED, "no"), runs(acts)[0].trace)
    assert outputs([*runs((acts, same, b"1")), failed]) == ()


def test_what_stands_beside_the_training_is_reported_as_what_it_is(runs):
    acts = training()
    both = [
        (
            acts,
            {
                "beside metric seconds": mark,
                "beside data batches that no step used": "1",
                "beside generator numpy": mark,
            },
            b"",
        )
        for mark in "12"
    ]
    assert outputs(runs(*both)) == (
        Output("data", "batches that no step used", True),
        Output("generator", "NumPy's legacy generator", False),
        Output("metric", "seconds", False),
    )


def named(name, *values):
    """A run in which a variable has this name, and these values: its first, and that after each
    step.
    """
    steps = [
        Step(place, (("loss", "loss", 0.5), ("update", f"{name}/w", value)), "fit")
        for place, value in enumerate(values[1:])
    ]
    return [
        Once("init", f"{name}/w", values[0]),
        Once("init", "b", 0.0),
        *steps,
        Once("update", f"{name}/w at the end", values[-1]),
    ]


def test_a_variable_of_another_name_is_the_same_by_its_place(runs):
    left, right = runs(named("calm", 1.0, 2.0), named("brave", 1.0, 2.0))
    assert compare_runs(left, right) == Match(5)
    assert outputs([left, right]) == (Output("name", "calm/w / brave/w", False),)
    found = compare_runs(*runs(named("calm", 1.0, 2.0), named("brave", 1.0, 3.0)))
    assert found == Divergence("update", 0, "calm/w", "bits", found.distance)
    # One that only one run has is no other name, nor is one of another place.
    assert (
        compare_runs(*runs(named("calm", 1.0, 2.0), named("brave", 1.0, 2.0)[1:])).kind == "missing"
    )
    assert (
        compare_runs(
            *runs(
                [Once("init", "a", 1.0), Once("init", "b", 2.0)],
                [Once("init", "c", 2.0), Once("init", "d", 1.0)],
            )
        ).stage
        == "init"
    )
    assert compare_runs(*runs([Once("init", "a", 1.0)], [Once("init", "b", [1.0])])).kind == "shape"


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ([("a.npz", "1"), ("b.npy", "2")], [("a.npz", "1"), ("b.npy", "2")], None),
        (
            [("a.npz", "1"), ("b.npy", "2")],
            [("a.npz", "1"), ("b.npy", "3")],
            ("saved b.npy", "bits"),
        ),
        ([("run-1.npz", "1"), ("b.npy", "2")], [("run-2.npz", "1"), ("b.npy", "2")], None),
        ([("run-1.npz", "1")], [("run-2.npz", "2")], ("saved run-1.npz", "bits")),
        ([("a.npz", "1")], [("a.npz", "1"), ("b.npy", "2")], ("saved b.npy", "missing")),
    ],
)
def test_the_arrays_that_are_saved_decide_by_whatever_name(runs, one, other, said):
    each = [
        (training(), {"final": "x", **{f"saved {name}": digest for name, digest in files}}, b"")
        for files in (one, other)
    ]
    done = [
        with_measures(run, saved=tuple(name for name, _ in files))
        for run, files in zip(runs(*each), (one, other), strict=True)
    ]
    found = None if said is None else Divergence("output", None, *said)
    assert [
        compared if isinstance(compared, Divergence) else None
        for compared in (compare_runs(*done), compare_ends(*done))
    ] == [found] * 2
    assert ("what the script saves differs" in origin(done)) == (
        said is not None and said[1] == "bits"
    )


def test_the_quantity_is_a_metric_of_the_last_evaluation_where_one_differs(runs):
    def trained(loss, **results):
        (done,) = runs(training(loss=loss))
        listed = [name.split("__") for name in results]
        return with_measures(
            done,
            results=tuple(
                (group, name, value)
                for (group, name), value in zip(listed, results.values(), strict=True)
            ),
        )

    first = trained(
        0.0,
        train__loss=0.5,
        train__accuracy=0.8,
        validation__val_accuracy=0.7,
        evaluation__loss=0.1,
    )
    second = trained(
        1.0,
        train__loss=0.6,
        train__accuracy=0.9,
        validation__val_accuracy=0.75,
        evaluation__loss=0.2,
    )
    assert quantity([first, second]) == Quantity("val_accuracy", 0.7, 0.75)
    only = trained(
        1.0,
        train__loss=0.5,
        train__accuracy=0.8,
        validation__val_accuracy=0.7,
        evaluation__loss=0.2,
    )
    assert quantity([first, only]) == Quantity("loss", 0.1, 0.2)
    assert quantity([first, trained(1.0, other__loss=1.0)]) is None
    assert quantity([first, first]) is None


def test_a_file_that_our_own_output_goes_to_is_not_one_that_the_program_changes(tmp_path):
    (tmp_path / "theirs.txt").write_text("a")
    code = (
        "from pathlib import Path; from detaudit.execution.program import program; "
        f"print(program.listing(Path({str(tmp_path)!r})))"
    )
    with open(tmp_path / "ours.txt", "w") as ours:
        subprocess.run([sys.executable, "-c", code], stdout=ours, check=True)
    said = (tmp_path / "ours.txt").read_text()
    assert "theirs.txt" in said and "ours.txt" not in said


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, (None, None)),
        ("600", (600.0, None)),
        ("1.5s", (1.5, None)),
        ("5m", (300.0, None)),
        ("2h", (7200.0, None)),
        ("40runs", (None, 40)),
        ("1run", (None, 1)),
    ],
)
def test_a_budget_is_a_time_or_a_number_of_runs(given, expected):
    assert limits.parse_budget(given) == expected


@pytest.mark.parametrize("given", ["", "0", "-3", "40 runs", "ten", "0runs", "1.5runs", "5d"])
def test_no_other_budget_is_taken(given):
    with pytest.raises(UsageError, match="40runs"):
        limits.check_budget(given)


def test_placebos_of_the_script_are_observed_and_real_settings_are_not(monkeypatch):
    before = dict(os.environ)
    assert placebos.met(before) == []
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    monkeypatch.setenv("TF_DISABLE_MKL", "1")
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "1")
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    assert placebos.met(before) == ["hash-seed-inside"]
    threading = SimpleNamespace(set_intra_op_parallelism_threads=1)
    monkeypatch.setitem(
        sys.modules, "tensorflow", SimpleNamespace(config=SimpleNamespace(threading=threading))
    )
    assert placebos.met(before) == ["hash-seed-inside", "onednn-misnamed", "threads-assigned"]
    assert placebos.met(dict(os.environ)) == ["threads-assigned"]
    threading.set_intra_op_parallelism_threads = print
    assert placebos.met(dict(os.environ)) == []


CAUSE = Cause("python-random", "python-random", True)
FIXED = Fix("", (), True, 3, "3 runs agree")


@pytest.mark.parametrize(
    ("known", "reason", "no_fix_reason", "no_cost_reason"),
    [
        ({"reproducible": None}, "the budget ran out before it was decided", "", ""),
        (
            {},
            "they part; the budget ran out before a cause was confirmed",
            "the budget ran out before a fix was verified",
            "",
        ),
        (
            {"causes": (CAUSE,)},
            "they part; the budget ran out before a fix was verified",
            "the budget ran out before a fix was verified",
            "",
        ),
        (
            {"causes": (CAUSE,), "fix": FIXED},
            "they part",
            "",
            "the budget ran out before every pin was timed",
        ),
        (
            {"causes": (CAUSE,), "no_fix_reason": "no line can"},
            "they part",
            "no line can",
            "the budget ran out before every pin was timed",
        ),
    ],
)
def test_what_was_known_when_the_budget_ran_out_is_reported_and_what_was_not(
    known, reason, no_fix_reason, no_cost_reason
):
    cut = session._end_early(
        RunAudit(
            **{
                "program": "train.py",
                "options": {},
                "reproducible": False,
                "reason": "they part",
                **known,
            }
        ),
        "the budget ran out",
    )
    assert (cut.reason, cut.no_fix_reason, cut.no_cost_reason) == (
        reason,
        no_fix_reason,
        no_cost_reason,
    )

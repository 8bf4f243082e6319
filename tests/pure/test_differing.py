"""Two runs of a pair that differ already are ended."""

import pytest
from detaudit.core import trace as traces
from detaudit.core.condition import Condition, pair
from detaudit.core.divergence import compare, differ_so_far
from detaudit.core.experiment import Finished
from detaudit.core.outcome import COMPLETED, Outcome
from detaudit.execution import differing
from detaudit_probes.protocol import STOP_FILE

from tests.pure.handmade import Once, Step, begin, written

ASKED = Condition("tensorflow", "auto", "train.py", 1).with_orders(stop_differing=True)


def losses(*values):
    return [Once("init", "kernel", 0.5)] + [
        Step(number, (("loss", "loss", value),)) for number, value in enumerate(values)
    ]


def read(folder, *values):
    folder.mkdir()
    begin(folder, losses(*values))
    return traces.read(folder)


def test_unfinished_runs_differ_where_the_finished_ones_will(tmp_path):
    left = read(tmp_path / "left", 1.0, 2.0, 3.0)
    right = read(tmp_path / "right", 1.0, 5.0)
    assert differ_so_far(left, right) and differ_so_far(right, left)
    longer = read(tmp_path / "longer", 1.0, 5.0, 6.0, 7.0)
    assert compare(left, right) == compare(left, longer) and compare(left, right).step == 1


@pytest.mark.parametrize(
    "one, other",
    [
        ((1.0, 2.0, 3.0), (1.0, 2.0)),  # one is ahead
        ((1.0,), ()),
        ((), ()),
    ],
)
def test_a_run_that_is_only_ahead_does_not_differ_yet(tmp_path, one, other):
    left, right = read(tmp_path / "left", *one), read(tmp_path / "right", *other)
    assert not differ_so_far(left, right) and not differ_so_far(right, left)


def test_steps_that_observe_different_things_are_left_to_the_end(tmp_path):
    left = read(tmp_path / "left", 1.0)
    (tmp_path / "right").mkdir()
    begin(tmp_path / "right", [Step(0, (("loss", "mse", 2.0),))])
    assert not differ_so_far(left, traces.read(tmp_path / "right"))


@pytest.fixture
def stopped(tmp_path):
    """Start a pair that has recorded these losses; whether each run of it is ended."""

    def of(condition, *recorded):
        trials = pair(condition, 0)
        folders = [tmp_path / str(number) for number in range(2)]
        for folder, values in zip(folders, recorded, strict=True):
            folder.mkdir()
            if values is not None:
                begin(folder, losses(*values))
        differing.Differing().stop(zip(trials, folders, strict=True), {})
        return [(folder / STOP_FILE).exists() for folder in folders]

    return of


def test_both_runs_of_a_pair_end_once_they_differ(stopped):
    assert stopped(ASKED, (1.0, 2.0), (1.0, 3.0, 4.0)) == [True, True]


def test_equal_runs_go_on(stopped):
    assert stopped(ASKED, (1.0, 2.0), (1.0, 2.0, 4.0)) == [False, False]


def test_runs_that_have_not_begun_go_on(stopped):
    assert stopped(ASKED, (1.0,), None) == [False, False]


def test_runs_that_are_needed_whole_go_on(stopped):
    assert stopped(ASKED.with_orders(stop_differing=False), (1.0,), (2.0,)) == [False, False]


def test_a_run_ends_that_differs_from_a_finished_one(tmp_path):
    first, second = pair(ASKED, 0)
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    done = Finished(first, 1, Outcome(COMPLETED), written(tmp_path / "first", losses(1.0, 2.0)))
    begin(tmp_path / "second", losses(1.0, 3.0))
    differing.Differing().stop([(second, tmp_path / "second")], {first.key(): done})
    assert (tmp_path / "second" / STOP_FILE).exists()


def test_pairs_are_not_compared_all_the_time(tmp_path, monkeypatch):
    first, second = pair(ASKED, 0)
    looked = []
    monkeypatch.setattr(differing.traces, "read", looked.append)
    both = differing.Differing()
    for _ in range(100):
        both.stop([(first, tmp_path), (second, tmp_path)], {})
    assert 0 < len(looked) <= 4

"""Results are told from times and ids by what an experiment does to them."""

import time
from datetime import datetime, timedelta

import pytest
from detaudit.commands.run.times import LATER, SLOWER, is_duration, is_id, is_stamp

BEGAN = 1500000000.25


def clock(seconds, form="%Y-%m-%d %H:%M:%S"):
    return time.strftime(form, time.gmtime(seconds))


@pytest.mark.parametrize(
    "written",
    [
        repr,
        lambda at: str(int(at)),
        lambda at: str(int(at * 1e9)),
        lambda at: f"{at * 1e3:.0f}",
        clock,
        lambda at: clock(at, "%Y%m%d-%H%M%S"),
        lambda at: clock(at, "%H:%M:%S"),
        lambda at: clock(at, "%Y-%m-%d"),
        lambda at: clock(at, "run_%Y%m%d_%H%M%S.log"),
        lambda at: (datetime(1970, 1, 1) + timedelta(seconds=at)).isoformat(),
    ],
)
def test_a_stamp_moves_with_the_clock(written):
    assert is_stamp(written(BEGAN), written(BEGAN + LATER))
    assert not is_stamp(written(BEGAN), written(BEGAN + LATER / 2))


def test_the_name_of_a_month_or_a_day_is_part_of_a_date():
    assert is_stamp("Jul", "Jan") and is_stamp("Friday", "Tuesday")
    assert not is_stamp("Jul", "Adam")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("0.93", "0.91"),
        ("1500000000", "1500000001"),
        ("accuracy", "loss"),
        ("0", "1"),
        ("17", "203"),
        ("0.2517", "0.2519"),
        ("cat", "dog"),
        ("1e-05", "2e-05"),
        ("nan", "0.5"),
    ],
)
def test_a_result_that_depends_on_the_clock_is_none(before, after):
    """As those are that are computed from a seed from the clock."""
    assert not is_stamp(before, after) and not is_duration(before, after)
    assert not is_id(before, after)


@pytest.mark.parametrize(
    "written",
    [
        lambda seconds: repr(seconds),
        lambda seconds: f"{seconds:.2f}s",
        lambda seconds: f"{seconds * 1e3:.1f}ms",
        lambda seconds: f"{100 / seconds:.4g}/s",
        lambda seconds: f"{seconds:.2e}",
        lambda seconds: str(timedelta(seconds=seconds)),
    ],
)
def test_a_duration_grows_with_the_ticks(written):
    assert is_duration(written(0.03), written(0.03 * SLOWER))
    assert not is_duration(written(0.03), written(0.05))


def test_a_rounded_duration_is_one_and_a_count_is_none():
    assert is_duration("0.0", "20.0") and is_duration("1 s", "1000 s")
    assert not is_duration("0", "7") and not is_duration("0.0", "0.5")


def test_an_id_consists_of_the_entropy_that_was_given():
    pinned = "5a3f9c21-7b1e-4c2d-8f3a-0d6e4b1c2a99"
    assert is_id(pinned, "abababab-abab-4bab-abab-abababababab")
    assert not is_id(pinned, "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0ff")
    assert not is_id("0.25", "0.25252525")

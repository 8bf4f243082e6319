"""Results are told from times and ids by what an experiment does to them."""

import time
from datetime import datetime, timedelta

import pytest
from detaudit.core.stamps import (
    LATER,
    SLOWER,
    as_duration,
    as_id,
    as_stamp,
    is_called_a_time,
    is_present,
    is_stamp,
)

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
        lambda at: clock(at, "%H:%M:%S,010"),
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
        ("0.9333333333333333", "0.9666666666666667"),
        ("33.33333333", "66.66666667"),
        ("1000", "1"),
        ("0.0", "50.0"),
        ("1", "1400"),
        ("mark", "decay"),
        ("monkey", "sunny"),
        ("cafe", "abab"),
    ],
)
def test_a_result_that_depends_on_the_clock_is_none(before, after):
    """As those are that are computed from a seed from the clock."""
    assert not is_stamp(before, after) and not as_duration(before, after)
    assert not as_id(before, after)


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
    assert as_duration(written(0.03), written(0.03 * SLOWER))
    assert not as_duration(written(0.03), written(0.05))


def test_the_present_time_is_recognised():
    now = datetime.now()
    for text in (
        f"{now:%Y-%m-%d}",
        f"{now:%H:%M:%S}",
        f"{now:%Y-%m-%dT%H:%M:%S}",
        f"{now:%H:%M:%S},{now.microsecond // 1000:03}",
    ):
        assert is_present(text)
    earlier = now - timedelta(hours=10)
    assert not is_present(f"{earlier:%H:%M:%S}") and not is_present("2017-07-14")
    assert not is_present(f"{now:%Y-%m-%d}T{earlier:%H:%M:%S}") and not is_present("Tuesday")
    assert not is_present("0.93") and not is_present("20261399")


def test_a_rounded_duration_is_one_and_a_count_is_none():
    assert as_duration("0.0", "20.0", "s") and as_duration("1", "1000", "results.json, seconds")
    assert as_duration("0.0s", "20.0s")
    assert not as_duration("0", "7", "s") and not as_duration("0.0", "0.5", "s")
    assert not as_duration("0.0", "20.0", "accuracy")


def test_a_spread_of_durations_is_rounding_if_each_takes_as_many_ticks():
    name = "results.csv, row 1, std_fit_time"
    assert as_duration("2.247831920581015e-07", "0.0", name)
    assert not as_duration("0.0134", "0.0", "row 1, std_loss")
    assert not as_duration("0.5", "0.1", name)
    assert not as_duration("0.5", "0.0", "sentiment_auc")


def test_a_name_that_contains_the_letters_of_time_is_no_name_of_a_time():
    names = ("row 1, mean_fit_time", "seconds", "facts.run_elapsed", "array 7 (std_fit_time)[0]")
    assert all(map(is_called_a_time, names))
    others = ("sentiment_loss", "multimedia.acc", "timeseries.mse", "secondary_auc", "theta_s")
    assert not any(map(is_called_a_time, (*others, "times.loss", "", "[0]")))


def test_of_a_word_that_contains_a_time_the_rest_counts():
    before, after = (clock(at, "model_0.91_%Y%m%d-%H%M%S.pt") for at in (BEGAN, BEGAN + LATER))
    pattern = as_stamp(before, after).pattern
    assert pattern.sub("", before) == pattern.sub("", after) == "model_0.91_.pt"
    assert pattern.sub("", before.replace("0.91", "0.87")) != pattern.sub("", after)


def test_an_id_consists_of_the_entropy_that_was_given():
    pinned = "5a3f9c21-7b1e-4c2d-8f3a-0d6e4b1c2a99"
    assert as_id(pinned, "abababab-abab-4bab-abab-abababababab")
    assert not as_id(pinned, "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0ff")
    assert not as_id("0.25", "0.25252525")

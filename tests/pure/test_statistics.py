"""Intervals and tests, against SciPy and against simulated runs."""

import math

import numpy as np
import pytest
from detaudit.core import statistics
from detaudit.core.statistics import (
    detectable_difference,
    mean_interval,
    mean_p_value,
    runs_for_rate,
    runs_needed,
    spread_interval,
    spread_p_value,
    t_probability,
    t_quantile,
)

from tests.slow import slow

stats = pytest.importorskip("scipy.stats", reason="SciPy is not installed here")


@pytest.fixture
def generator():
    return np.random.default_rng(1)


@pytest.mark.parametrize("degrees", [1, 2, 4, 9.5, 29, 200, 1e4])
def test_students_t_is_that_of_scipy(degrees):
    for probability in (0.005, 0.05, 0.3, 0.5, 0.8, 0.975, 0.9995):
        expected = stats.t.ppf(probability, degrees)
        assert t_quantile(probability, degrees) == pytest.approx(expected, rel=1e-8, abs=1e-9)
    for value in (-30.0, -1.5, 0.0, 1e-6, 0.7, 4.0, 300.0):
        assert t_probability(value, degrees) == pytest.approx(
            stats.t.cdf(value, degrees), abs=1e-10
        )


def test_a_quantile_that_does_not_exist_is_refused():
    for probability, degrees in ((0, 3), (1, 3), (float("nan"), 3), (0.5, 0)):
        with pytest.raises(ValueError, match="no quantile"):
            t_quantile(probability, degrees)


def test_the_interval_of_a_mean_is_that_of_scipy(generator):
    values = generator.normal(3, 2, 12)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert mean_interval(values).low == pytest.approx(expected.low, rel=1e-9)
    assert mean_interval(values).high == pytest.approx(expected.high, rel=1e-9)


def test_equal_values_have_no_spread(generator):
    assert spread_interval([0.5] * 10, generator) == statistics.Interval(0.0, 0.0)
    assert mean_interval([0.5] * 10) == statistics.Interval(0.5, 0.5)


def test_too_few_values_are_refused(generator):
    with pytest.raises(ValueError, match="2 values are needed, not 1"):
        mean_interval([1.0])
    with pytest.raises(ValueError, match="10 values are needed, not 4"):
        spread_interval([1.0, 2.0, 3.0, 4.0], generator)
    with pytest.raises(ValueError, match="6 runs are needed, not 5"):
        detectable_difference(1.0, 5, paired=True)


def test_what_is_no_number_is_never_significant(generator):
    for values in ([float("nan")] * 10, [*map(float, range(9)), float("inf")]):
        for function in (mean_p_value, spread_interval):
            with pytest.raises(ValueError, match="not finite"):
                function(values, generator)
        with pytest.raises(ValueError, match="not finite"):
            spread_p_value(values, values, generator)


def test_too_many_equal_values_have_no_interval(generator):
    with pytest.raises(ValueError, match="all values but one are equal"):
        spread_interval([1.0] * 9 + [2.0], generator)
    with pytest.raises(ValueError, match="too many values are equal"):
        spread_interval([1.0] * 8 + [2.0, 3.0], generator)


def test_groups_of_different_sizes_are_refused(generator):
    with pytest.raises(ValueError, match="5 and 6 values"):
        spread_p_value([1.0, 2, 3, 4, 5], [1.0, 2, 3, 4, 5, 6], generator)


@pytest.mark.parametrize(("runs", "least"), [(10, 0.88), pytest.param(30, 0.91, marks=slow)])
def test_the_interval_of_a_spread_contains_it_as_often_as_it_says(generator, runs, least):
    """The bounds are three standard errors of 200 cases below what the bench has measured."""
    cases = 200
    inside = 0
    for _ in range(cases):
        found = spread_interval(generator.normal(0, 3, runs), generator)
        inside += found.low <= 3 <= found.high
    assert least <= inside / cases <= 1.0


def test_a_small_spread_around_a_large_mean_is_not_lost(generator):
    values = 1e6 + 1e-5 * generator.normal(size=30)
    found = spread_interval(values, generator)
    assert 0.5e-5 < found.low < 1e-5 < found.high < 2.5e-5


@slow
def test_equal_spreads_are_called_different_in_a_twentieth_of_the_cases(generator):
    cases = 400
    found = sum(
        spread_p_value(generator.normal(size=20), 5 + generator.normal(size=20), generator) < 0.05
        for _ in range(cases)
    )
    assert found / cases < 0.05 + 3 * (0.05 * 0.95 / cases) ** 0.5


def test_three_times_the_spread_is_found_at_thirty_runs(generator):
    assert statistics.spread_power(30, 3.0, generator) >= 0.95


def test_signs_are_flipped_exactly_where_pairs_are_few(generator):
    assert mean_p_value([1.0, 2.0, 3.0, 4.0, 5.0], generator) == pytest.approx(2 / 32)
    assert mean_p_value([0.0, 0.0, 0.0], generator) == 1.0
    assert mean_p_value([1.0] * 30, generator) == pytest.approx(1 / (1 + statistics.RESAMPLES))


def test_what_can_be_detected_is_detected_as_often_as_it_says(generator):
    runs, cases = 15, 2000
    difference = detectable_difference(2.0, runs)
    left = generator.normal(0, 2, (cases, runs))
    right = generator.normal(difference, 2, (cases, runs))
    found = (stats.ttest_ind(left, right, axis=1).pvalue < 0.05).mean()
    assert found == pytest.approx(0.8, abs=0.03)


def test_fewer_runs_are_needed_for_a_larger_difference():
    assert runs_needed(1.0, 10, 0.5) > runs_needed(1.0, 10, 1.0) >= 10
    assert runs_needed(0.0, 10, 0.5) == 10
    with pytest.raises(ValueError, match="positive"):
        runs_needed(1.0, 10, 0.0)


def test_so_many_runs_show_a_rate_as_often_as_they_say():
    assert runs_for_rate(0.01) == 299 and runs_for_rate(0.5, 0.5) == 1
    assert 1 - (1 - 0.01) ** 299 >= 0.95 > 1 - (1 - 0.01) ** 298
    for rate, power in ((0, 0.5), (1, 0.5), (0.5, 1), (0.5, math.nan)):
        with pytest.raises(ValueError, match="between 0 and 1"):
            runs_for_rate(rate, power)

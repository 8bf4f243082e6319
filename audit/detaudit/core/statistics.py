"""Statistics of repeated runs: intervals, tests, and what a number of runs can tell apart.

NumPy alone. Each resampling takes a generator, so that the same runs give the same numbers. The
coverage of the intervals and the power of the tests are tables in docs/explanation/spread.md, which
tests/bench/coverage.py makes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.95  # of every interval
ALPHA, POWER = 0.05, 0.8  # of a minimum detectable effect
RESAMPLES = 4999
MOST_EXACT = 12  # pairs of which every sign is tried


@dataclass(frozen=True)
class Interval:
    low: float
    high: float


def t_quantile(probability: float, degrees: float) -> float:
    """Return the quantile of Student's t distribution.

    Raises ValueError unless 0 < ``probability`` < 1 and ``degrees`` > 0.
    """
    if not 0 < probability < 1 or degrees <= 0:
        raise ValueError(f"no quantile at {probability} with {degrees} degrees of freedom")
    if probability < 0.5:
        return -t_quantile(1 - probability, degrees)
    low, high = 0.0, 1.0
    while t_probability(high, degrees) < probability:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if t_probability(middle, degrees) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def t_probability(value: float, degrees: float) -> float:
    """Return the probability that a variable with Student's t distribution is at most ``value``."""
    square = value * value
    tail = (
        _incomplete_beta(
            degrees / 2, 0.5, degrees / (degrees + square), square / (degrees + square)
        )
        / 2
    )
    return 1 - tail if value > 0 else tail


def _incomplete_beta(a: float, b: float, x: float, rest: float) -> float:
    """Return the regularized incomplete beta function, by its continued fraction. ``rest`` is
    1 - x, which must not be rounded away.

    https://dlmf.nist.gov/8.17#v
    """
    if x <= 0 or rest <= 0:
        return float(rest <= 0)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, rest, x)
    logs = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(logs + a * math.log(x) + b * math.log(rest)) / a
    # Lentz's method
    tiny = 1e-300
    numerator, denominator = 1.0, 1 - (a + b) * x / (a + 1)
    denominator = 1 / (denominator if abs(denominator) > tiny else tiny)
    fraction = denominator
    for place in range(1, 1000):
        for term in (
            place * (b - place) * x / ((a + 2 * place - 1) * (a + 2 * place)),
            -(a + place) * (a + b + place) * x / ((a + 2 * place) * (a + 2 * place + 1)),
        ):
            denominator = 1 + term * denominator
            denominator = 1 / (denominator if abs(denominator) > tiny else tiny)
            numerator = 1 + term / (numerator if abs(numerator) > tiny else tiny)
            change = numerator * denominator
            fraction *= change
        if abs(change - 1) < 1e-15:
            break
    return front * fraction


def mean_interval(values: Sequence[float]) -> Interval:
    """Return Student's interval of the mean. Raises ValueError for fewer than two values."""
    _check(values, 2)
    array = np.asarray(values, dtype=float)
    half = t_quantile((1 + LEVEL) / 2, len(array) - 1) * array.std(ddof=1) / math.sqrt(len(array))
    return Interval(float(array.mean() - half), float(array.mean() + half))


def spread_interval(values: Sequence[float], generator: np.random.Generator) -> Interval:
    """Return an interval of the standard deviation: bootstrap-t of its logarithm, whose standard
    error is that of the jackknife.

    If all values are equal, that is (0, 0). Raises ValueError for fewer than four values.
    """
    _check(values, 4)
    array = np.asarray(values, dtype=float)
    if (array == array[0]).all():
        return Interval(0.0, 0.0)
    center, error = _log_spread(array[None, :])
    drawn = array[generator.integers(0, len(array), (RESAMPLES, len(array)))]
    centers, errors = _log_spread(drawn)
    known = np.isfinite(centers) & np.isfinite(errors) & (errors > 0)
    ratios = (centers[known] - center[0]) / errors[known]
    low, high = np.quantile(ratios, [(1 + LEVEL) / 2, (1 - LEVEL) / 2])
    return Interval(
        float(np.exp(center[0] - low * error[0])), float(np.exp(center[0] - high * error[0]))
    )


def _log_spread(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the logarithm of the standard deviation of each row, and its jackknife error."""
    n = samples.shape[1]
    samples = samples - samples.mean(axis=1, keepdims=True)
    sums, squares = samples.sum(axis=1, keepdims=True), (samples**2).sum(axis=1, keepdims=True)
    left_out = (squares - samples**2) - (sums - samples) ** 2 / (n - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.maximum(left_out, 0) / (n - 2)) / 2
        centers = np.log(samples.std(axis=1, ddof=1))
        around = logs - logs.mean(axis=1, keepdims=True)
        errors = np.sqrt((n - 1) / n * (around**2).sum(axis=1))
    return centers, errors


def detectable(spread: float, runs: int, paired: bool = False) -> float:
    """Return the smallest difference of two means that a test at ``ALPHA`` finds with the
    probability ``POWER``, if each mean is that of so many runs with this standard deviation.

    ``paired``: ``spread`` is that of the differences of pairs with equal seeds. Raises ValueError
    for fewer than two runs.
    """
    if runs < 2:
        raise ValueError("two runs are needed")
    degrees = runs - 1 if paired else 2 * runs - 2
    error = spread * math.sqrt((1 if paired else 2) / runs)
    return error * (t_quantile(1 - ALPHA / 2, degrees) + t_quantile(POWER, degrees))


def runs_needed(spread: float, pilot: int, difference: float, power: float = POWER) -> int:
    """Return how many runs of each of two programs find this difference of their means with the
    probability ``power``: the second stage of Stein's rule, after ``pilot`` runs of each.

    https://doi.org/10.1214/aoms/1177731088. Raises ValueError unless ``difference`` is positive.
    """
    if difference <= 0 or pilot < 2:
        raise ValueError("a positive difference and two runs are needed")
    degrees = 2 * pilot - 2
    quantiles = t_quantile(1 - ALPHA / 2, degrees) + t_quantile(power, degrees)
    return max(pilot, math.ceil(2 * (quantiles * spread / difference) ** 2))


def spreads_differ(
    left: Sequence[float], right: Sequence[float], generator: np.random.Generator
) -> float:
    """Return the p-value of a permutation test: do the values of one group lie farther from their
    median than those of the other?

    Two-sided. Values are permuted after their group's median was subtracted; of a group with an odd
    number of values the one that is zero then is left out. Raises ValueError for fewer than four
    values in a group.
    """
    _check(left, 4)
    _check(right, 4)
    distances = [_from_median(values) for values in (left, right)]
    together = np.concatenate(distances)
    size = len(distances[0])
    observed = abs(distances[0].mean() - distances[1].mean())
    orders = generator.permuted(np.tile(together, (RESAMPLES, 1)), axis=1)
    drawn = abs(orders[:, :size].mean(axis=1) - orders[:, size:].mean(axis=1))
    return float((1 + (drawn >= observed * (1 - 1e-12)).sum()) / (1 + RESAMPLES))


def _from_median(values: Sequence[float]) -> np.ndarray:
    distances = np.abs(np.asarray(values, dtype=float) - np.median(values))
    if len(distances) % 2:
        distances = np.delete(distances, np.argmin(distances))
    return distances


def means_differ(differences: Sequence[float], generator: np.random.Generator) -> float:
    """Return the p-value of a sign-flip test of paired differences, two-sided: exact for up to
    ``MOST_EXACT`` pairs. Pairs without a difference count for neither side.

    Raises ValueError for no pair.
    """
    _check(differences, 1)
    array = np.asarray(differences, dtype=float)
    if len(array) <= MOST_EXACT:
        bits = np.arange(2 ** len(array))[:, None] >> np.arange(len(array)) & 1
        drawn = abs(((1 - 2 * bits) * array).sum(axis=1))
        return float((drawn >= abs(array.sum()) * (1 - 1e-12)).mean())
    signs = generator.choice([-1.0, 1.0], (RESAMPLES, len(array)))
    drawn = abs((signs * array).sum(axis=1))
    return float((1 + (drawn >= abs(array.sum()) * (1 - 1e-12)).sum()) / (1 + RESAMPLES))


def spread_power(
    runs: int, ratio: float, generator: np.random.Generator, cases: int = 200
) -> float:
    """Return in what share of simulated cases ``spreads_differ`` finds, at ``ALPHA``, that one of
    two groups of so many normal values has a standard deviation ``ratio`` times as large.
    """
    found = 0
    for _ in range(cases):
        left, right = generator.normal(size=runs), ratio * generator.normal(size=runs)
        found += spreads_differ(left, right, generator) < ALPHA
    return found / cases


def _check(values: Sequence[float], least: int) -> None:
    if len(values) < least:
        raise ValueError(f"{least} values are needed, not {len(values)}")

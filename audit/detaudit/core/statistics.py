"""Statistics of repeated runs: intervals, tests, and what a number of runs can tell apart.

NumPy alone. Each resampling takes a generator, so that the same runs give the same numbers. Values
that are not finite are refused: a caller decides what they mean.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detaudit.core.counting import SIGNIFICANT

LEVEL = 0.95  # of every interval
POWER = 0.8  # of a minimum detectable difference
RESAMPLES = 4999
LEAST_VALUES = 10  # of an interval of the standard deviation
LEAST_USABLE = 0.9  # of the resamples of an interval: the others have no spread
LEAST_PAIRS = 6  # of a sign-flip test that can reach ``SIGNIFICANT``
MOST_EXACT = 12  # pairs of which every sign is tried


@dataclass(frozen=True)
class Interval:
    low: float
    high: float


def t_quantile(probability: float, degrees: float) -> float:
    """Return the quantile of Student's t distribution.

    Raises ValueError unless 0 < ``probability`` < 1 and ``degrees`` > 0.
    """
    if not (0 < probability < 1 and degrees > 0):
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
            return front * fraction
    raise ArithmeticError(f"no convergence at {x} with {a} and {b}")


def mean_interval(values: Sequence[float]) -> Interval:
    """Return Student's interval of the mean. Raises ValueError for fewer than two values."""
    _check(values, 2)
    array = np.asarray(values, dtype=float)
    half = t_quantile((1 + LEVEL) / 2, len(array) - 1) * array.std(ddof=1) / math.sqrt(len(array))
    return Interval(float(array.mean() - half), float(array.mean() + half))


def spread_interval(values: Sequence[float], generator: np.random.Generator) -> Interval:
    """Return an interval of the standard deviation: bootstrap-t of its logarithm, whose standard
    error is that of the jackknife.

    If all values are equal, that is (0, 0). Raises ValueError for fewer than ten values,
    whose interval may be millions of times as wide, and if too many of them are equal, because
    leaving out one of the others would leave no spread.
    """
    _check(values, LEAST_VALUES)
    array = np.asarray(values, dtype=float)
    if (array == array[0]).all():
        return Interval(0.0, 0.0)
    if np.unique(array, return_counts=True)[1].max() >= len(array) - 1:
        raise ValueError("all values but one are equal")
    (center,), (error,) = _log_spread(array[None, :])
    drawn = array[generator.integers(0, len(array), (RESAMPLES, len(array)))]
    centers, errors = _log_spread(drawn)
    usable = np.isfinite(centers) & np.isfinite(errors) & (errors > 0)
    if usable.mean() < LEAST_USABLE:
        raise ValueError("too many values are equal")
    ratios = (centers[usable] - center) / errors[usable]
    upper, lower = np.quantile(ratios, [(1 + LEVEL) / 2, (1 - LEVEL) / 2])
    return Interval(float(np.exp(center - upper * error)), float(np.exp(center - lower * error)))


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


def detectable_difference(spread: float, runs: int, paired: bool = False) -> float:
    """Return about the smallest difference of two means that Student's t-test at ``SIGNIFICANT``
    finds with the probability ``POWER``, if each mean is that of so many runs with this standard
    deviation.

    ``paired``: ``spread`` is that of the differences of pairs with equal seeds, and the test may be
    :func:`mean_p_value`. Raises ValueError for fewer than two runs, or six pairs: with five no
    signs are significant.
    """
    least = LEAST_PAIRS if paired else 2
    if runs < least:
        raise ValueError(f"{least} runs are needed, not {runs}")
    degrees = runs - 1 if paired else 2 * runs - 2
    error = spread * math.sqrt((1 if paired else 2) / runs)
    return error * _both_quantiles(degrees, POWER)


def runs_needed(spread: float, pilot: int, difference: float, power: float = POWER) -> int:
    """Return how many runs of each of two programs find this difference of their means with the
    probability ``power``: the second stage of Stein's rule, after ``pilot`` runs of each, whose
    pooled standard deviation is ``spread``. The final test keeps that ``spread``, and its
    2 * ``pilot`` - 2 degrees of freedom.

    https://doi.org/10.1214/aoms/1177731088. Raises ValueError unless ``difference`` is positive,
    and if the number is not finite.
    """
    if difference <= 0 or pilot < 2:
        raise ValueError("a positive difference and two runs are needed")
    needed = 2 * (_both_quantiles(2 * pilot - 2, power) * spread / difference) ** 2
    if not math.isfinite(needed):
        raise ValueError(f"no number of runs finds a difference of {difference}")
    return max(pilot, math.ceil(needed))


def runs_for_rate(rate: float, power: float = LEVEL) -> int:
    """Return how many runs show, with the probability ``power``, at least one case of what happens
    in a share ``rate`` of all runs. Raises ValueError unless both are between 0 and 1.
    """
    if not (0 < rate < 1 and 0 < power < 1):
        raise ValueError("a rate and a power between 0 and 1 are needed")
    return math.ceil(math.log1p(-power) / math.log1p(-rate))


def _both_quantiles(degrees: int, power: float) -> float:
    return t_quantile(1 - SIGNIFICANT / 2, degrees) + t_quantile(power, degrees)


def spread_p_value(
    left: Sequence[float], right: Sequence[float], generator: np.random.Generator
) -> float:
    """Return the p-value of a permutation test: do the values of one group lie farther from their
    median than those of the other?

    Two-sided. The distances from each group's median are permuted; if the groups have an odd number
    of values, each without the one that is zero then. Raises ValueError for groups of different
    sizes (the distances in a smaller one are smaller), or of fewer than four values.
    """
    _check(left, 4)
    _check(right, 4)
    if len(left) != len(right):
        raise ValueError(f"the groups have {len(left)} and {len(right)} values")
    distances = np.concatenate([_from_median(left), _from_median(right)])
    half = len(distances) // 2
    observed = abs(distances[:half].sum() - distances[half:].sum())
    orders = generator.permuted(np.tile(distances, (RESAMPLES, 1)), axis=1)
    drawn = abs(orders[:, :half].sum(axis=1) - orders[:, half:].sum(axis=1))
    return _share_beyond(drawn, observed, distances)


def _from_median(values: Sequence[float]) -> np.ndarray:
    distances = np.abs(np.asarray(values, dtype=float) - np.median(values))
    if len(distances) % 2:
        distances = np.delete(distances, np.argmin(distances))
    return distances


def mean_p_value(differences: Sequence[float], generator: np.random.Generator) -> float:
    """Return the p-value of a sign-flip test of paired differences, two-sided: exact for up to
    ``MOST_EXACT`` pairs. Pairs without a difference count for neither side.

    Raises ValueError for no pair.
    """
    _check(differences, 1)
    array = np.asarray(differences, dtype=float)
    observed = abs(array.sum())
    if len(array) <= MOST_EXACT:
        bits = (np.arange(2 ** len(array))[:, None] >> np.arange(len(array))) & 1
        drawn = abs(((1 - 2 * bits) * array).sum(axis=1))
        return float((drawn >= observed - _rounding(array)).mean())
    signs = generator.choice([-1.0, 1.0], (RESAMPLES, len(array)))
    return _share_beyond(abs((signs * array).sum(axis=1)), observed, array)


def _share_beyond(drawn: np.ndarray, observed: float, values: np.ndarray) -> float:
    """Return the share of resamples that reach what was observed, which counts as one of them."""
    reached = drawn >= observed - _rounding(values)
    return float((1 + reached.sum()) / (1 + len(drawn)))


def _rounding(values: np.ndarray) -> float:
    """Return how much sums of these values may differ because of their order."""
    return float(1e-12 * np.abs(values).sum())


def spread_power(
    runs: int, ratio: float, generator: np.random.Generator, cases: int = 200
) -> float:
    """Return in what share of simulated cases :func:`spread_p_value` finds, at ``SIGNIFICANT``,
    that one of two groups of so many normal values has a standard deviation ``ratio`` times as
    large.
    """
    found = 0
    for _ in range(cases):
        left, right = generator.normal(size=runs), ratio * generator.normal(size=runs)
        found += spread_p_value(left, right, generator) < SIGNIFICANT
    return found / cases


def _check(values: Sequence[float], least: int) -> None:
    if len(values) < least:
        raise ValueError(f"{least} values are needed, not {len(values)}")
    if not np.isfinite(np.asarray(values, dtype=float)).all():
        raise ValueError("a value is not finite")

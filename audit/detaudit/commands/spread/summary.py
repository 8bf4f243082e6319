"""From the results of runs to their statistics."""

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from detaudit_probes.protocol import FITTED

from detaudit.commands.spread.findings import Difference, Metric
from detaudit.core import statistics
from detaudit.core.experiment import Finished

EVALUATION = "evaluation"  # what a trace calls the group of results that ``evaluate`` returns
MOST_READ = 10_000_000  # bytes of a run's output


Results = Callable[[Finished], dict[str, float]]


def metrics_of(runs: Sequence[Finished], seed: int, results_of: Results) -> tuple[Metric, ...]:
    """Return the statistics of every number that the completed ``runs`` end with. ``seed`` is that
    of the resampling.
    """
    results = [results_of(run) for run in runs]
    names = dict.fromkeys(name for result in results for name in result)
    return tuple(
        metric(name, [result.get(name, math.nan) for result in results], seed) for name in names
    )


def with_needed(metrics: tuple[Metric, ...], delta: float | None) -> tuple[Metric, ...]:
    """Return the metrics, the first with the number of runs that find a difference of ``delta`` in
    it, if its runs have a standard deviation.
    """
    if delta is None or not metrics or not metrics[0].spread:
        return metrics
    first = metrics[0]
    pilot = sum(value is not None for value in first.values)
    try:
        needed = statistics.runs_needed(first.spread, pilot, delta)
    except ValueError:  # more than a number can say
        return metrics
    return (replace(first, needed=needed), *metrics[1:])


def measured(run: Finished) -> dict[str, float]:
    """Return the losses and metrics that Keras reported last: first those of an evaluation, then
    those on validation data, then those of the training.
    """
    found = run.trace.measures.results if run.trace is not None else ()
    named = {
        f"{name} of evaluate" if group == EVALUATION else name: value
        for group, name, value in found
    }
    return dict(sorted(named.items(), key=lambda one: _rank(one[0])))


def _rank(name: str) -> int:
    return 0 if name.endswith(" of evaluate") else 1 if name.startswith("val_") else 2


def churn(runs: Sequence[Finished]) -> float | None:
    """Return the share of examples of which two runs predict another class, on average over all
    pairs of runs; None if the runs predict none, or not for the same examples.
    """
    measures = [run.trace.measures for run in runs if run.trace and run.trace.measures.predicted]
    predicted = [one.predicted for one in measures]
    examples = {(one.predicted_for, len(one.predicted)) for one in measures}
    if len(predicted) < 2 or len(examples) > 1:
        return None
    pairs = len(predicted) * (len(predicted) - 1)
    # Of each example: the ordered pairs of runs that predict one class
    alike = sum(
        count * (count - 1)
        for example in zip(*predicted, strict=True)
        for count in Counter(example).values()
    )
    return 1 - alike / (pairs * len(predicted[0]))


def same_weights(runs: Sequence[Finished]) -> bool:
    """Whether the weights of all runs were observed, and ended on the same bits."""
    ends = {_weights(run) for run in runs}
    return len(ends) == 1 and "" not in ends


def _weights(run: Finished) -> str:
    """Return the digest of what a run has trained, or fitted; empty if that was not observed."""
    if run.trace is None:
        return ""
    return run.trace.final or run.trace.digests.get(FITTED, "")


def identical(runs: Sequence[Finished], results_of: Results) -> int:
    """Return the largest number of runs that ended on the same bits: on the same weights, or if
    none were observed, on the same output and the same results.
    """
    ends = Counter(_end(run, results_of) for run in runs if run.trace is not None)
    return max(ends.values(), default=0)


def _end(run: Finished, results_of: Results) -> str:
    assert run.trace is not None
    weights = _weights(run)
    if weights:
        return weights
    digest = hashlib.sha256(run.trace.stdout(MOST_READ))
    digest.update(repr(results_of(run)).encode())  # as text: NaN equals NaN
    return digest.hexdigest()


def differences_of(
    pairs: Sequence[tuple[Finished, Finished]], seed: int, results_of: Results
) -> tuple[Difference, ...]:
    """Return how much larger each number is in the second run of each pair than in the first."""
    both = [(results_of(one), results_of(other)) for one, other in pairs]
    names = dict.fromkeys(name for results in both for found in results for name in found)
    return tuple(
        difference(
            name,
            [other.get(name, math.nan) - one.get(name, math.nan) for one, other in both],
            seed,
        )
        for name in names
    )


def difference(name: str, values: Sequence[float], seed: int) -> Difference:
    """Return the statistics of the paired differences of one metric."""
    finite = [value for value in values if math.isfinite(value)]
    if len(finite) < 2:
        return Difference(name, len(finite))
    spread = float(np.std(finite, ddof=1)) if len(set(finite)) > 1 else 0.0
    enough = len(finite) >= statistics.LEAST_PAIRS
    return Difference(
        name,
        len(finite),
        float(np.mean(finite)),
        statistics.mean_interval(finite),
        statistics.mean_p_value(finite, np.random.default_rng(seed)) if enough else None,
        statistics.detectable_difference(spread, len(finite), paired=True) if enough else None,
    )


def metric(name: str, values: Sequence[float], seed: int) -> Metric:
    """Return the statistics of the values of one metric."""
    finite = [value for value in values if math.isfinite(value)]
    shown = tuple(value if math.isfinite(value) else None for value in values)
    distinct = len(set(shown))
    if len(finite) < 2:
        return Metric(name, shown, distinct)
    interval, reason = None, ""
    try:
        interval = statistics.spread_interval(finite, np.random.default_rng(seed))
    except ValueError as error:
        reason = str(error)
    # Equal values have no spread, whatever rounding leaves of it
    spread = float(np.std(finite, ddof=1)) if len(set(finite)) > 1 else 0.0
    return Metric(
        name,
        shown,
        distinct,
        float(np.mean(finite)),
        spread,
        min(finite),
        max(finite),
        statistics.mean_interval(finite),
        interval,
        reason,
        statistics.detectable_difference(spread, len(finite)),
    )

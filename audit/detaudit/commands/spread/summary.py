"""From the results of runs to their statistics."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from detaudit.commands.spread.findings import Metric
from detaudit.core import statistics
from detaudit.core.experiment import Finished


def metrics_of(runs: Sequence[Finished], seed: int) -> tuple[Metric, ...]:
    """Return the statistics of every number that the completed ``runs`` end with. ``seed`` is that
    of the resampling.
    """
    results = [_results(run) for run in runs]
    names = dict.fromkeys(name for result in results for name in result)
    return tuple(
        metric(name, [result.get(name, math.nan) for result in results], seed) for name in names
    )


def _results(run: Finished) -> dict[str, float]:
    measured = run.trace.measures.results if run.trace is not None else ()
    return {name: value for _, name, value in measured}


def identical(runs: Sequence[Finished]) -> int:
    """Return the largest number of runs that ended on the same bits."""
    ends = Counter(run.trace.final for run in runs if run.trace is not None and run.trace.final)
    return max(ends.values(), default=0)


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
    spread = float(np.std(finite, ddof=1))
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

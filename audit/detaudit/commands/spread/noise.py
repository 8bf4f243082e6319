"""The noise of results as a file for machines, and whether a difference is above it."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from detaudit.commands.spread.findings import Metric
from detaudit.core.statistics import runs_needed
from detaudit.errors import UsageError

#: The entry of a file that is used: the smallest difference of two means that is found.
DETECTABLE = "mde"


def text(metrics: Sequence[Metric], identical: int) -> str:
    """Return the file, as JSON: for each metric the number of runs that have it, ``mean``, ``sd``,
    the 95 % ``interval`` of the mean, ``mde`` (the detectable difference of two means of so many
    runs), and how many runs were ``identical``; null if the runs are too few.
    """
    found = {one.name: _of(one, identical) for one in metrics}
    return json.dumps(found, indent=2) + "\n"


def _of(metric: Metric, identical: int) -> dict[str, Any]:
    interval = metric.mean_interval
    return {
        "n": sum(value is not None for value in metric.values),
        "mean": metric.mean,
        "sd": metric.spread,
        "interval": None if interval is None else [interval.low, interval.high],
        DETECTABLE: metric.detectable,
        "identical": identical,
    }


def above(path: Path, delta: float, metric: str | None) -> tuple[bool, str]:
    """Return whether noise leaves a difference visible, and a sentence. Raises
    UsageError for a file or a metric that does not say.
    """
    floors = _read(path)
    name = metric if metric is not None else next(iter(floors), "")
    if name not in floors:
        known = ", ".join(floors) or "none"
        raise UsageError(f"{path} has no metric {name!r}; it has {known}.")
    entry = floors[name]
    floor = entry.get(DETECTABLE) if isinstance(entry, Mapping) else None
    if not isinstance(floor, int | float) or not math.isfinite(floor) or floor <= 0:
        raise UsageError(f"{path} does not say which difference of {name} can be detected.")
    runs = entry.get("n")
    enough = abs(delta) >= floor
    of_runs = f" of {runs} runs each" if isinstance(runs, int) else ""
    if enough:
        return True, (
            f"A difference of {abs(delta):g} in {name} is above the noise: two means{of_runs} mostly show "
            f"differences from {floor:.3g} on."
        )
    return False, (
        f"A difference of {abs(delta):g} in {name} is below the noise: two means{of_runs} show "
        f"differences under {floor:.3g} rarely.{_more(entry, delta)}"
    )


def _more(entry: Mapping[str, Any], delta: float) -> str:
    """Return how many runs of each would show the difference, if the file says enough."""
    runs, spread = entry.get("n"), entry.get("sd")
    if not isinstance(runs, int) or not isinstance(spread, int | float):
        return ""
    try:
        return f" {runs_needed(spread, runs, abs(delta)):,} runs of each mostly show it."
    except ValueError:
        return ""


def _read(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"Cannot read {path}: {error}.") from None
    if not isinstance(found, Mapping):
        raise UsageError(f"{path} is no file of detaudit spread --noise.")
    return found

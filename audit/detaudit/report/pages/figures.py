"""The figures of a page. There is none if a report has too few numbers for it."""

from collections.abc import Iterator, Sequence

from detaudit.core.counting import evenly_chosen
from detaudit.core.sentences import listed, number
from detaudit.report.pages.page import (
    Bar,
    Bars,
    Column,
    Curve,
    Dots,
    Head,
    Heatmap,
    Row,
    Sample,
    Span,
    Table,
    Timeline,
)
from detaudit.report.pages.wording import is_beyond_noise
from detaudit.report.schema import v1

MOST_SPANS = 2000  # of a timeline
MOST_SAMPLES, MOST_DOTS = 40, 200  # of a figure of results
LONGEST_BREAK = 60.0  # seconds between two trials that are shown
_DIFFERS = {"0": False, "1": True}  # any other cell was not recorded


def step_grid(grid: v1.StepGrid, runs: str) -> Iterator[Heatmap]:
    """Return in which steps the layers differ, of the first two ``runs`` that do."""
    if grid.first_step is None or grid.first_row is None or grid.first_row >= len(grid.rows):
        return
    names = [row.name or row.stage for row in grid.rows]
    per_cell = max(1, grid.steps_per_cell)
    several = f" A cell stands for {per_cell} steps." if per_cell > 1 else ""
    left_out = f" {number(grid.rows_left_out, 'row')} left out." if grid.rows_left_out else ""
    rows = [
        (name, str(row.steps.count("1")), str(row.steps.count("0")), _first_steps(row, grid))
        for name, row in zip(names, grid.rows, strict=True)
    ]
    cells = [tuple(map(_DIFFERS.get, row.steps)) for row in grid.rows]
    titles = ("layer or stage", "cells that differ", "cells that are equal", "first differs in")
    yield Heatmap(
        tuple(names),
        tuple(cells),
        (grid.first_row, grid.first_step // per_cell),
        per_cell,
        "step",
        title="Where runs differ",
        remark=(
            f"layers and steps of the first two {runs} that differ: orange cells differ, blue cells are "
            f"equal, empty cells were not recorded"
        ),
        description=(
            f"Of the {number(grid.steps, 'step')} that both runs made, counted over all calls of fit, step "
            f"{grid.first_step} is the first that differs, in {names[grid.first_row]}.{several}{left_out}"
        ),
        numbers=_numbers(titles, rows),
        priority=2,
    )


def _first_steps(row: v1.LayerSteps, grid: v1.StepGrid) -> str:
    """Return the steps of the first cell that differs."""
    cell = row.steps.find("1")
    if cell < 0:
        return "none"
    first = cell * max(1, grid.steps_per_cell)
    last = min(first + max(1, grid.steps_per_cell), grid.steps) - 1
    return f"step {first}" if first >= last else f"steps {first} to {last}"


def growth(distances: Sequence[v1.Growth]) -> Iterator[Curve]:
    """Return how far the weights of two runs are apart after each step."""
    points = [(after.step, after.ulps_max) for after in distances if after.ulps_max]
    if len(points) < 2:
        return
    rows = [
        (
            str(after.step),
            f"{after.differing_elements:,} of {after.total:,}",
            _shown(after.ulps_max, ","),
            _shown(after.max_abs, ".3g"),
        )
        for after in distances
    ]
    titles = ("step", "weights that differ", "largest distance in ULPs", "largest difference")
    (first, nearest), (last, farthest) = points[0], points[-1]
    yield Curve(
        tuple(points),
        "step",
        "ULPs",
        title="How the difference grows",
        remark="the largest distance between two weights, in units in the last place (ULPs)",
        description=(
            f"After step {first} the weights of two runs are up to {number(nearest, 'ULP')} apart, "
            f"after step {last} up to {number(farthest, 'ULP')}."
        ),
        numbers=_numbers(titles, rows),
        priority=2,
    )


def _shown(value: float | None, form: str) -> str:
    return "" if value is None else f"{value:{form}}"


def costs(
    timed: Sequence[tuple[str, v1.Rung | v1.Cost]],
    title: str,
    remark: str,
    noise: tuple[float, float] | None = None,
) -> Iterator[Bars]:
    """Return what was timed, each under its name, as ratios; ``noise`` are those of the unchanged
    script to itself.
    """
    bars = [
        Bar(name, row.cost, *row.cost_range)
        for name, row in timed
        if row.cost is not None and row.cost_range is not None
    ]
    if len(bars) < 2:
        return
    costly = [
        f"{bar.name} ({bar.value:.2f}x)"
        for bar in bars
        if is_beyond_noise((bar.least, bar.greatest), noise)
    ]
    description = f"Beyond noise: {listed(costly)}." if costly else "All are within noise."
    rows = [
        (bar.name, f"{bar.value:.2f}", f"{bar.least:.2f}", f"{bar.greatest:.2f}") for bar in bars
    ]
    yield Bars(
        tuple(bars),
        1.0,
        "ratio",
        title=title,
        remark=remark,
        description=description,
        numbers=_numbers(("", "median", "smallest", "largest"), rows),
        priority=2,
    )


def dots(named: Sequence[tuple[str, v1.Metric]]) -> Iterator[Dots]:
    """Return the results of all runs, each metric under its name, of the first one's quantity."""
    samples, rows, ranges = [], [], []
    quantity = named[0][1].name if named else ""
    for name, metric in named[:MOST_SAMPLES]:
        if metric.name != quantity:
            continue
        values = [value for value in metric.values if value is not None]
        if len(values) > 1:
            samples.append(Sample(name, tuple(evenly_chosen(values, MOST_DOTS))))
            shown = (metric.mean, metric.spread, metric.least, metric.greatest)
            rows.append((name, str(len(values)), *(_shown(value, ".4g") for value in shown)))
            ranges.append(f"{name} from {min(values):.4g} to {max(values):.4g}")
    if not samples:
        return
    yield Dots(
        tuple(samples),
        quantity,
        title="Every result",
        remark="a dot for the result of each run, and a line for their mean",
        description=f"The {quantity} of the runs: {listed(ranges)}.",
        numbers=_numbers(("", "runs", "mean", "SD", "least", "greatest"), rows),
        priority=2,
    )


def timeline(report: v1.Document) -> Iterator[Timeline]:
    """Return when each of the first trials ran. Breaks between two trials are left out, such as the
    days before an audit was resumed.
    """
    outcomes = {trial.number: trial.outcome for trial in report.trials}
    known = (time for time in report.header.timeline if time.trial in outcomes)
    times = sorted(known, key=lambda time: (time.began, time.trial))
    if not times:
        return
    spans: list[Span] = []
    end = left_out = 0.0
    for time in times[:MOST_SPANS]:
        begin = time.began - left_out
        if begin - end > LONGEST_BREAK:
            left_out += begin - end
            begin = end
        spans.append(Span(begin, begin + time.seconds, outcomes[time.trial] == "completed"))
        end = max(end, begin + time.seconds)
    rows = [
        (str(time.trial), f"{time.began:.1f}", f"{time.seconds:.1f}", outcomes[time.trial])
        for time in times
    ]
    failed = sum(not span.succeeded for span in spans)
    undone = f"; {failed} did not complete (hatched)" if failed else ""
    breaks = f", without breaks of {left_out:,.0f} s" if left_out else ""
    more = f" The other {len(times) - len(spans):,} are not drawn." if times[MOST_SPANS:] else ""
    yield Timeline(
        tuple(spans),
        title="Timeline",
        remark="when each trial ran; trials above one another ran at the same time",
        description=f"{number(len(spans), 'trial')} in {end:,.0f} s{breaks}{undone}.{more}",
        numbers=_numbers(("trial", "began (s)", "took (s)", "outcome"), rows),
        priority=3,
    )


def _numbers(titles: Sequence[str], rows: Sequence[tuple[str, ...]]) -> Table:
    return Table(tuple(map(Column, titles)), tuple(map(Row, rows)), Head.RULED)

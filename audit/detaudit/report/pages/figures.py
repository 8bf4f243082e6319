"""The figures of a page. There is none if a report has too few numbers for it."""

from collections.abc import Iterator, Sequence

from detaudit.core.sentences import number
from detaudit.report.pages.page import (
    Bar,
    Bars,
    Column,
    Curve,
    Head,
    Heatmap,
    Row,
    Span,
    Table,
    Timeline,
)
from detaudit.report.schema import v1

_DIFFERS = {"0": False, "1": True}  # any other cell was not recorded


def step_grid(grid: v1.StepGrid) -> Iterator[Heatmap]:
    """Return in which steps the layers differ, of the first two runs that do."""
    if grid.first_step is None or grid.first_row is None or grid.first_row >= len(grid.rows):
        return
    names = [row.name or row.stage for row in grid.rows]
    per_cell = max(1, grid.steps_per_cell)
    left_out = f" {number(grid.rows_left_out, 'row')} left out." if grid.rows_left_out else ""
    rows = [
        (name, str(row.steps.count("1")), str(row.steps.count("0")), _first_steps(row, per_cell))
        for name, row in zip(names, grid.rows, strict=True)
    ]
    cells = [tuple(map(_DIFFERS.get, row.steps)) for row in grid.rows]
    titles = ("layer or stage", "cells that differ", "cells that are equal", "differs from step")
    yield Heatmap(
        tuple(names),
        tuple(cells),
        (grid.first_row, grid.first_step // per_cell),
        per_cell,
        "step",
        title="Where runs differ",
        remark=(
            "each layer and each step of the first two runs that differ: dark cells differ, light cells "
            "are equal, empty ones were not recorded"
        ),
        description=(
            f"Both runs have made {number(grid.steps, 'step')}. The first difference is in step "
            f"{grid.first_step}, in {names[grid.first_row]}.{left_out}"
        ),
        numbers=_numbers(titles, rows),
        priority=2,
    )


def _first_steps(row: v1.LayerSteps, per_cell: int) -> str:
    """Return the step of the first cell that differs; if a cell has several, the first of them."""
    cell = row.steps.find("1")
    return "none" if cell < 0 else str(cell * per_cell)


def growth(growth: Sequence[v1.Growth]) -> Iterator[Curve]:
    """Return how far the weights of two runs are apart after each step."""
    points = [(one.step, one.ulps_max) for one in growth if one.ulps_max]
    if len(points) < 2:
        return
    rows = [
        (
            str(one.step),
            f"{one.differing_elements:,} of {one.total:,}",
            "" if one.ulps_max is None else f"{one.ulps_max:,}",
            "" if one.max_abs is None else f"{one.max_abs:.3g}",
        )
        for one in growth
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


def costs(
    timed: Sequence[tuple[str, v1.Rung | v1.Cost]], title: str, remark: str
) -> Iterator[Bars]:
    """Return what was timed, each under its name, as ratios."""
    bars = [
        Bar(name, row.cost, *row.cost_range)
        for name, row in timed
        if row.cost is not None and row.cost_range is not None
    ]
    if len(bars) < 2:
        return
    dearest = max(bars, key=lambda bar: bar.value)
    rows = [
        (bar.name, f"{bar.value:.2f}", f"{bar.least:.2f}", f"{bar.greatest:.2f}") for bar in bars
    ]
    yield Bars(
        tuple(bars),
        1.0,
        "ratio",
        title=title,
        remark=remark,
        description=f"The largest is {dearest.value:.2f}, of {dearest.name}.",
        numbers=_numbers(("", "median", "smallest", "largest"), rows),
        priority=2,
    )


def timeline(report: v1.Document) -> Iterator[Timeline]:
    """Return when each trial ran."""
    times = sorted(report.header.timeline, key=lambda time: (time.began, time.trial))
    if not times:
        return
    outcomes = {trial.number: trial.outcome for trial in report.trials}
    spans = [
        Span(time.began, time.began + time.seconds, outcomes.get(time.trial) == "completed")
        for time in times
    ]
    rows = [
        (
            str(time.trial),
            f"{time.began:.1f}",
            f"{time.seconds:.1f}",
            outcomes.get(time.trial, "unknown"),
        )
        for time in times
    ]
    failed = sum(not span.succeeded for span in spans)
    undone = f", of which {failed} did not complete (hatched)" if failed else ""
    last = max(span.end for span in spans)
    yield Timeline(
        tuple(spans),
        title="Timeline",
        remark="when each trial ran: those above one another at the same time",
        description=f"{number(len(spans), 'trial')} in {last:,.0f} s{undone}.",
        numbers=_numbers(("trial", "began, in s", "took, in s", "outcome"), rows),
        priority=3,
    )


def _numbers(titles: Sequence[str], rows: Sequence[tuple[str, ...]]) -> Table:
    return Table(tuple(map(Column, titles)), tuple(map(Row, rows)), Head.RULED)

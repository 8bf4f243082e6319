"""The page of runs with different seeds: how far their results are apart."""

from collections.abc import Iterator

from detaudit.core.sentences import capitalized, number
from detaudit.report.pages import frame, wording
from detaudit.report.pages.page import (
    Answer,
    Block,
    Closing,
    Column,
    Depth,
    Head,
    Line,
    Lines,
    Page,
    Row,
    Table,
)
from detaudit.report.schema import v1


def page(report: v1.SpreadReport) -> Page:
    """Return the whole page."""
    sentences = (wording.work(report), wording.decided(report))
    closing = Closing(sentences, "-v shows every result")
    title = "detaudit spread: how far are the results of different seeds apart?"
    return frame.page_of(report, title, _blocks(report), closing)


def _blocks(report: v1.SpreadReport) -> Iterator[Block]:
    yield answer(report)
    if report.metrics:
        yield _statistics(report)
    yield Lines((*_details(report), *frame.context_lines(report)))
    for metric in report.metrics:
        yield _values(report, metric)


def answer(report: v1.SpreadReport) -> Answer:
    """How far are the results apart?"""
    if report.outcome == "inconclusive" or not report.metrics:
        return Answer("unsure", "NOT DECIDED", f"{capitalized(report.reason)}.")
    runs = f"{number(len(report.seeds), 'run')} with different seeds"
    if report.identical == len(report.seeds):
        sentence = f"All {runs} are bitwise identical: the seed has no effect."
        return Answer("good", "IDENTICAL", sentence)
    metric = report.metrics[0]
    without = sum(value is None for value in metric.values)
    of_those = f" {without} of them ended without a finite {metric.name}." if without else ""
    if metric.mean is None or metric.spread is None:
        sentence = f"Of {runs}, {without} ended without a finite {metric.name}."
        return Answer("unsure", "NO RESULTS", sentence)
    if not metric.spread:
        sentence = f"The {metric.name} of {runs} is the same, but not their weights.{of_those}"
        return Answer("good", "EQUAL RESULTS", sentence)
    sentence = (
        f"The {metric.name} of {runs} is {rounded(metric.mean, metric.spread)} on average, with a "
        f"standard deviation of {metric.spread:.2g}.{of_those}"
    )
    return Answer("good", "RESULTS VARY", sentence)


def _details(report: v1.SpreadReport) -> Iterator[Line]:
    yield Line("Identical", f"{report.identical} of {number(len(report.seeds), 'run')}")
    for metric in report.metrics:
        if metric.detectable:
            runs = sum(value is not None for value in metric.values)
            sentence = (
                f"a difference of {metric.detectable:.2g} or more between two means of "
                f"{number(runs, 'run')} each (found in 80 % of cases, at a significance of 5 %)"
            )
            yield Line(f"Detectable, {metric.name}", sentence)


def _statistics(report: v1.SpreadReport) -> Table:
    titles = ("", "runs", "mean", "95 % interval", "SD", "95 % interval", "least", "greatest")
    rows = [Row(_row(metric)) for metric in report.metrics]
    return Table(tuple(map(Column, titles)), tuple(rows), Head.RULED, title="Results")


def _row(metric: v1.Metric) -> tuple[str, ...]:
    runs = sum(value is not None for value in metric.values)
    spread = metric.spread
    if metric.mean is None or spread is None:
        return (metric.name, str(runs), *[""] * 6)
    return (
        metric.name,
        str(runs),
        rounded(metric.mean, spread),
        _interval(metric.mean_interval, spread),
        f"{spread:.2g}",
        metric.no_spread_interval or _interval(metric.spread_interval, spread / 10),
        rounded(metric.least, spread),
        rounded(metric.greatest, spread),
    )


def _interval(interval: v1.Interval | None, spread: float) -> str:
    if interval is None:
        return ""
    return f"{rounded(interval.low, spread)} to {rounded(interval.high, spread)}"


def rounded(value: float | None, spread: float) -> str:
    """Return a value with the digits that a standard deviation leaves, and one more."""
    if value is None:
        return ""
    if not spread:
        return f"{value:.6g}"
    digits = max(0, 1 - int(f"{spread:.0e}".partition("e")[2]))
    return f"{value:.{digits}f}" if digits < 12 else f"{value:.6g}"


def _values(report: v1.SpreadReport, metric: v1.Metric) -> Table:
    """Return each run's result, with its seed."""
    rows = [
        Row((str(seed), "none" if value is None else f"{value:.9g}"))
        for seed, value in zip(report.seeds, metric.values, strict=False)
    ]
    columns = (Column("seed"), Column(metric.name))
    title = f"Every {metric.name}"
    return Table(columns, tuple(rows), Head.PLAIN, title=title, depth=Depth.DETAIL, priority=1)

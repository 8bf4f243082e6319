"""The page of runs with different seeds: how far their results are apart."""

from collections.abc import Iterator

from detaudit.core.sentences import capitalized, listed, number
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

# How runs are given their seeds (schema ``Seeding``)
CALLS, VARIABLE = "calls", "variable"
MOST_CALLS = 6


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
    yield Lines((*details(report), *frame.context_lines(report)))
    for metric in report.metrics:
        yield _values(report, metric)


def answer(report: v1.SpreadReport) -> Answer:
    """How far are the results apart?"""
    if report.ignored:
        return Answer("bad", "SEED IGNORED", _ignored(report))
    if report.outcome == "inconclusive" or not report.metrics:
        return Answer("unsure", "NOT DECIDED", f"{capitalized(report.reason)}.")
    of_program = f" of {report.program}" if report.program else ""
    seeds = "" if _is_free(report) else " with different seeds"
    runs = f"{number(len(report.seeds), 'run')}{of_program}{seeds}"
    if report.identical == len(report.seeds):
        effect = "" if _is_free(report) else ": the seed has no effect"
        return Answer("good", "IDENTICAL", f"All {runs} are bitwise identical{effect}.")
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


def _is_free(report: v1.SpreadReport) -> bool:
    """Whether the program ran as it is, because it sets no seed."""
    return report.seeding.how == CALLS and not report.seeding.calls


def _ignored(report: v1.SpreadReport) -> str:
    one, other = report.seeds[0], report.seeds[-1]
    if report.seeding.how == CALLS:
        return (
            f"Two runs of {report.program} are bitwise identical, although {other} was added to each seed "
            f"that it sets."
        )
    return (
        f"Two runs of {report.program} with the seeds {one} and {other} are bitwise identical: it does "
        f"not use {_name(report)}."
    )


def _name(report: v1.SpreadReport) -> str:
    given = report.seeding.given
    return f"the variable {given}" if report.seeding.how == VARIABLE else f"the arguments {given}"


def _seeds(report: v1.SpreadReport) -> str:
    """Return how runs got their seeds."""
    if not report.seeds:
        return ""
    seeds = f"{report.seeds[0]} to {report.seeds[-1]}"
    if report.seeding.how != CALLS:
        return f"{seeds}, in {_name(report)}"
    if not report.seeding.calls:
        return "the program sets none, so each run is the program as it is"
    lines = [f"{call.file}:{call.line} ({call.function})" for call in report.seeding.calls]
    return f"{seeds}, added to those that the program sets at {listed(lines, MOST_CALLS)}"


def details(report: v1.SpreadReport) -> Iterator[Line]:
    if report.program:
        yield Line("Seeds", _seeds(report))
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

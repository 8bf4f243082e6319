"""The page of runs with different seeds: how far their results are apart."""

from collections.abc import Iterator, Sequence

from detaudit.core.counting import SIGNIFICANT, excluded_rate
from detaudit.core.sentences import capitalized, listed, number
from detaudit.report.pages import figures, frame, wording
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
SMALL = 1e-4  # a value below is written with an exponent
CHURN = "the share of test examples of which two runs predict another class, on average"
Seeded = v1.SpreadReport | v1.Against


def page(report: v1.SpreadReport) -> Page:
    """Return the whole page."""
    sentences = (wording.work(report), wording.decided(report))
    closing = Closing(sentences, "-v shows every result")
    title = "detaudit spread: how far are the results of different seeds apart?"
    return frame.page_of(report, title, _blocks(report), closing)


def _blocks(report: v1.SpreadReport) -> Iterator[Block]:
    yield answer(report)
    if report.by_source:
        yield _sources(report)
        yield from figures.dots(_of_rows(report))
        yield Lines((*_limits(report), *frame.context_lines(report)))
        return
    if report.against is not None and report.against.differences:
        yield _differences(report.against)
    if report.metrics:
        yield _statistics(report.metrics, f" of {report.program}" if report.against else "")
    if report.against is not None and report.against.metrics:
        yield _statistics(report.against.metrics, f" of {report.against.program}")
    yield from figures.dots(_of_programs(report))
    yield Lines((*details(report), *frame.context_lines(report)))
    for metric in report.metrics:
        yield _values(metric, report.seeds, "")
    for metric in report.against.metrics if report.against else ():
        yield _values(metric, report.against.seeds, f" of {report.against.program}")


def _of_rows(report: v1.SpreadReport) -> list[tuple[str, v1.Metric]]:
    """Return the first result of each row, which has its source's name."""
    return [(row.free, row.metrics[0]) for row in report.by_source if row.metrics]


def _of_programs(report: v1.SpreadReport) -> list[tuple[str, v1.Metric]]:
    """Return the first result of the program, and what the other program has."""
    named = [(report.program or "all seeds", one) for one in report.metrics[:1]]
    if report.against is not None:
        named += [(report.against.program, one) for one in report.against.metrics]
    return named


def answer(report: v1.SpreadReport) -> Answer:
    """How far are the results apart?"""
    for one in (report, report.against):
        if one is not None and one.ignored:
            return Answer("bad", "SEED IGNORED", _ignored(one))
    if report.outcome == "inconclusive":
        return Answer("unsure", "NOT DECIDED", f"{capitalized(report.reason)}.")
    if report.by_source:
        return _of_sources(report)
    if report.against is not None:
        return _compared(report, report.against)
    of_program = f" of {report.program}" if report.program else ""
    seeds = "" if _is_free(report) else " with different seeds"
    runs = f"{number(len(report.seeds), 'run')}{of_program}{seeds}"
    metric = report.metrics[0]
    if report.identical == len(report.seeds):
        unsure = report.program and _is_free(report)
        return Answer("unsure" if unsure else "good", "IDENTICAL", _identical(report, runs))
    without = sum(value is None for value in metric.values)
    of_those = f" {without} of them ended without a finite {metric.name}." if without else ""
    if metric.mean is None or metric.spread is None:
        sentence = f"Of {runs}, {without} ended without a finite {metric.name}."
        return Answer("unsure", "NO RESULTS", sentence)
    if not metric.spread:
        sentence = (
            f"The {metric.name} of {runs} is the same, but not all that they end with.{of_those}"
        )
        return Answer("good", "EQUAL RESULTS", sentence)
    sentence = (
        f"The {metric.name} of {runs} is {rounded(metric.mean, metric.spread)} on average, with a "
        f"standard deviation of {metric.spread:.2g}.{of_those}"
    )
    return Answer("good", "RESULTS VARY", sentence)


def _identical(report: v1.SpreadReport, runs: str) -> str:
    """Equal weights say more than equal output, which is all that is known of some programs."""
    if not report.program:
        return f"All {runs} are bitwise identical: the seed has no effect."
    if _is_free(report):
        return f"All {runs} end with the same results, but no seed was changed: try --seed-args."
    return f"All {runs} end with the same results: the seed has no effect on what was observed."


def _compared(report: v1.SpreadReport, other: v1.Against) -> Answer:
    """Is the first number of two programs different?"""
    program, found = report.program, other.differences[0]
    pairs = f"{number(found.pairs, 'pair')} of runs{_paired_by(report, other)}"
    if found.p_value is None or found.mean is None or found.interval is None:
        sentence = f"{capitalized(pairs)} say nothing about the {found.name}: six are needed."
        return Answer("unsure", "TOO FEW RUNS", sentence)
    width = (found.interval.high - found.interval.low) / 4
    mean, interval = rounded(abs(found.mean), width), _interval(found.interval, width)
    if not width and not found.mean:
        sentence = f"The {found.name} of {program} and of {other.program} is the same in {pairs}."
        return Answer("good", "EQUAL RESULTS", sentence)
    if found.p_value < SIGNIFICANT:
        than = "larger" if found.mean > 0 else "smaller"
        sentence = (
            f"The {found.name} of {other.program} is {than} than that of {program}, by {mean} on average "
            f"over {pairs} (p = {found.p_value:.2g}; 95 % interval of the difference {interval})."
        )
        return Answer("good", "DIFFERENT", sentence)
    sentence = (
        f"The {found.name} of {other.program} and of {program} differ by {mean} on average over {pairs}, "
        f"which may be chance (p = {found.p_value:.2g}). A difference of {found.detectable:.2g} or more would "
        f"mostly have been found."
    )
    return Answer("unsure", "NO DIFFERENCE FOUND", sentence)


def _paired_by(report: v1.SpreadReport, other: v1.Against) -> str:
    """Return what the two runs of a pair have in common."""
    if _is_free(report) or _is_free(other):
        return ""
    added = report.seeding.how == CALLS
    return " with the same number added to their seeds" if added else " with equal seeds"


def _of_sources(report: v1.SpreadReport) -> Answer:
    """Which sources make results vary?"""
    *rows, everything = report.by_source
    acting = [row.free for row in rows if row.acts]
    if acting:
        one = "only this is" if len(acting) == 1 else "only one of these is"
        return Answer("good", "RESULTS VARY", f"Runs differ if {one} left free: {listed(acting)}.")
    if everything.identical < everything.runs:
        sentence = "Runs differ if nothing is pinned, but no source alone makes them differ."
        return Answer("unsure", "RESULTS VARY", sentence)
    of_program = f" of {report.program}" if report.program else ""
    sentence = f"All runs{of_program} end with the same results, whatever is pinned."
    return Answer("good", "IDENTICAL", sentence)


def _sources(report: v1.SpreadReport) -> Table:
    """One row for each source; they are not ranked."""
    name = next((one.name for row in report.by_source for one in row.metrics), "")
    titles = ("free", "identical", "differ first at", f"SD of {name}", "95 % interval")
    rows = [(*_source(row, name), _churn(row)) for row in report.by_source]
    if any(row.churn is not None for row in report.by_source):
        titles = (*titles, "churn")
    else:
        rows = [cells[:-1] for cells in rows]
    return Table(tuple(map(Column, titles)), tuple(map(Row, rows)), Head.RULED, title="By source")


def _source(row: v1.SourceRow, name: str) -> tuple[str, ...]:
    place = "" if row.divergence is None else wording.place_of(row.divergence)
    found = next((one for one in row.metrics if one.name == name), None)
    spread = "" if found is None or found.spread is None else f"{found.spread:.2g}"
    interval = ""
    if found is not None and found.spread:
        interval = _interval(found.spread_interval, found.spread / 10)
    return (row.free, f"{row.identical} of {row.runs}", place, spread, interval)


def _churn(row: v1.SourceRow) -> str:
    return "" if row.churn is None else f"{row.churn:.1%}"


def _limits(report: v1.SpreadReport) -> Iterator[Line]:
    """Say what the rows do not show: they are not to be ranked by their SD."""
    few = [row for row in report.by_source if row.identical == row.runs < report.by_source[0].runs]
    if any(row.churn is not None for row in report.by_source):
        yield Line("churn", CHURN)
    if few:
        runs = few[0].runs
        rate = f"{excluded_rate(max(1, runs // 2)):.0%}"
        yield Line(
            "Not excluded", f"where {runs} of {runs} runs match, up to {rate} of pairs may differ"
        )
    if report.power is not None:
        runs = max(row.runs for row in report.by_source)
        yield Line(
            "Power",
            f"{runs} runs of each find an SD twice as large in {report.power:.0%} of simulated cases",
        )


def _differences(other: v1.Against) -> Table:
    titles = ("", "pairs", "difference", "95 % interval", "p", "detectable")
    rows = [Row(_difference(one)) for one in other.differences]
    title = f"How much larger each result of {other.program} is"
    return Table(tuple(map(Column, titles)), tuple(rows), Head.RULED, title=title)


def _difference(one: v1.Difference) -> tuple[str, ...]:
    if one.mean is None or one.interval is None:
        return (one.name, str(one.pairs), *[""] * 4)
    width = (one.interval.high - one.interval.low) / 4
    return (
        one.name,
        str(one.pairs),
        rounded(one.mean, width),
        _interval(one.interval, width),
        "" if one.p_value is None else f"{one.p_value:.2g}",
        "" if one.detectable is None else f"{one.detectable:.2g}",
    )


def _is_free(report: Seeded) -> bool:
    """Whether the program ran as it is, because it sets no seed."""
    return report.seeding.how == CALLS and not report.seeding.calls


def _ignored(report: Seeded) -> str:
    one, other = report.seeds[0], report.seeds[-1]
    if report.seeding.how == CALLS:
        return (
            f"Runs of {report.program} train the same weights bit for bit, although up to {other} was added "
            f"to each seed that it sets."
        )
    return (
        f"Runs of {report.program} with the seeds {one} to {other} train the same weights bit for bit: it "
        f"does not use {_name(report)}."
    )


def _name(report: Seeded) -> str:
    given = report.seeding.given
    return f"the variable {given}" if report.seeding.how == VARIABLE else f"the arguments {given}"


def _seeds(report: Seeded) -> str:
    """Return how runs got their seeds."""
    if not report.seeds:
        return ""
    seeds = f"{report.seeds[0]} to {report.seeds[-1]}"
    if report.seeding.how != CALLS:
        return f"{seeds}, in {_name(report)}"
    if not report.seeding.calls:
        return "the program sets no seed that detaudit can change, so each run is as it is"
    lines = [f"{call.file}:{call.line} ({call.function})" for call in report.seeding.calls]
    return f"{seeds}, added to those that the program sets at {listed(lines, MOST_CALLS)}"


def _of_program(report: Seeded, of_program: str) -> Iterator[Line]:
    """How the runs of a program were seeded, and how many are identical."""
    if report.program and report.seeds:
        yield Line(f"Seeds{of_program}", _seeds(report))
    if report.seeding.constants:
        lines = [f"{one.file}:{one.line} ({one.function})" for one in report.seeding.constants]
        sentence = f"the constant seeds at {listed(lines, MOST_CALLS)}"
        yield Line(f"Not changed{of_program}", sentence)
    if len(report.seeds) > 1:
        yield Line(f"Identical{of_program}", _alike(report.identical, len(report.seeds)))


def _alike(identical: int, runs: int) -> str:
    if identical == runs:
        return f"each of {runs} runs"
    return f"no two of {runs} runs" if identical < 2 else f"at most {identical} of {runs} runs"


def details(report: v1.SpreadReport) -> Iterator[Line]:
    other = report.against
    of_program = f" of {report.program}" if other is not None else ""
    if report.churn is not None:
        yield Line("Churn", f"{report.churn:.1%}: {CHURN}")
    yield from _of_program(report, of_program)
    if report.repeats is False:
        sentence = (
            "no: two runs with the first seed differ as well, so part of this is not the seed; detaudit run "
            "finds out what"
        )
        yield Line(f"Repeats{of_program}", sentence)
    if other is not None:
        yield from _of_program(other, f" of {other.program}")
        return
    for metric in report.metrics:
        if metric.detectable:
            runs = sum(value is not None for value in metric.values)
            sentence = (
                f"a difference of {metric.detectable:.2g} or more between two means of "
                f"{number(runs, 'run')} each (found in 80 % of cases, at a significance of 5 %)"
            )
            yield Line(f"Detectable, {metric.name}", sentence)
        if metric.needed is not None:
            sentence = (
                f"{metric.needed:,} runs of each of two versions find a difference of "
                f"{report.options['delta']:g} (in 80 % of cases, at a significance of 5 %)"
            )
            yield Line(f"Needed, {metric.name}", sentence)


def _statistics(metrics: Sequence[v1.Metric], of_program: str) -> Table:
    titles = ("", "runs", "mean", "95 % interval", "SD", "95 % interval", "least", "greatest")
    rows = [Row(_row(metric)) for metric in metrics]
    title = f"Results{of_program}"
    return Table(tuple(map(Column, titles)), tuple(rows), Head.RULED, title=title)


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


def _exponent(value: float) -> int:
    """Return the power of ten of a value's first digit."""
    return int(f"{value:.0e}".partition("e")[2])


def rounded(value: float | None, spread: float) -> str:
    """Return a value with the digits that a standard deviation leaves, and one more."""
    if value is None:
        return ""
    if not spread:
        return f"{value:.6g}"
    exponent = _exponent(spread)
    if not value and spread < SMALL:
        return "0"
    if value and abs(value) < SMALL:
        digits = max(1, _exponent(value) - exponent + 1)
        return f"{value:.{digits}e}" if digits < 6 else f"{value:.6g}"
    digits = max(0, 1 - exponent)
    return f"{value:.{digits}f}" if digits < 12 else f"{value:.6g}"


def _values(metric: v1.Metric, seeds: Sequence[int], of_program: str) -> Table:
    """Return each run's result, with its seed."""
    rows = [
        Row((str(seed), "none" if value is None else f"{value:.9g}"))
        for seed, value in zip(seeds, metric.values, strict=False)
    ]
    columns = (Column("seed"), Column(metric.name))
    title = f"Every {metric.name}{of_program}"
    return Table(columns, tuple(rows), Head.PLAIN, title=title, depth=Depth.DETAIL, priority=1)

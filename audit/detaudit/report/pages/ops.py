"""The page of a sweep over operations: what does not repeat first."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from detaudit.report.pages import frame, wording
from detaudit.report.pages.page import (
    Answer,
    Block,
    Cell,
    Closing,
    Column,
    Depth,
    Head,
    Id,
    Line,
    Lines,
    Names,
    Page,
    Row,
    Table,
    Text,
    Verdict,
)
from detaudit.report.pages.wording import ORDER, listed, number, spread, where
from detaudit.report.schema import v1

_TO_ACT_ON = ("broken", "error", "needs-pin")
_COLUMNS = (
    Column("operation"),
    Column("dtypes", joined="\n"),
    Column("verdict"),
    Column("as it is", in_files=True),
    Column("op determinism", in_files=True),
    Column("one thread", in_files=True),
    Column("threads", in_files=True),
    Column("oneDNN", in_files=True),
    Column("batch", in_files=True),
    Column("cost", in_files=True),
    Column("what was seen"),
)


class Entry(NamedTuple):
    """Entries that are told alike, of one operation: ``dtypes`` in one line."""

    name: str
    dtypes: str
    one: v1.Operation


def page(report: v1.OpsReport) -> Page:
    """The whole page."""
    sentences = (wording.work(report), wording.decided(report))
    closing = Closing(sentences, "-v shows every operation")
    return frame.page_of(report, "detaudit ops", _blocks(report), closing)


def _blocks(report: v1.OpsReport) -> Iterator[Block]:
    asked = bool(report.options.get("list_raising"))
    yield answer(report)
    yield Lines(tuple(_details(report)))
    if asked and report.refusals:
        yield _refusals(report, Depth.OPEN)
    acting = entries(report, _TO_ACT_ON)
    if acting:
        yield _table(acting)
    others = entries(report, [verdict for verdict in ORDER if verdict not in _TO_ACT_ON])
    if others:
        yield _table(others, title="The other operations", depth=Depth.DETAIL)
    if report.refusals and not asked:
        yield _refusals(report, Depth.DETAIL)


def answer(report: v1.OpsReport) -> Answer:
    """Do operations give the same results from equal inputs?"""
    operations = number(len({one.name for one in report.operations}), "operation")
    broken = _named(report, "broken")
    if broken:
        sentence = (
            f"{len(broken)} of {operations} give other results from equal inputs under op "
            f"determinism, or whatever is pinned: {listed(broken)}."
        )
        return Answer("bad", "BROKEN", sentence)
    if report.outcome == "inconclusive":
        return Answer("unsure", "NOT DECIDED", f"{report.reason}.")
    parting = _named(report, "needs-pin")
    if parting:
        sentence = (
            f"{len(parting)} of {operations} gave different results from equal inputs: "
            f"{listed(parting)}."
        )
        return Answer("unsure", "NEEDS A PIN", sentence)
    sentence = f"{operations}: replays gave the same bits, and so did two processes."
    return Answer("good", "REPEATS", sentence)


def _named(report: v1.OpsReport, verdict: str) -> list[str]:
    return list(dict.fromkeys(one.name for one in report.operations if one.verdict == verdict))


def _details(report: v1.OpsReport) -> Iterator[Line]:
    operations = report.operations
    if operations:
        yield Line("Verdicts", counts(report))
    unlike = {
        "Other bits with the number of threads": [
            one.name for one in operations if one.threads_agree is False
        ],
        "Other bits with oneDNN": [one.name for one in operations if one.onednn_agrees is False],
        "Other bits with the size of the batch": [
            one.name for one in operations if one.batch_agrees is False
        ],
        "Not as documented": [one.name for one in operations if one.contrary],
    }
    for label, names in unlike.items():
        if names:
            yield Line(label, Names(tuple(dict.fromkeys(names)), 8))
    for one in report.warnings[: frame.MOST_WARNINGS]:
        yield Line("Note", Text(one, "quiet"), "quiet")
    yield from frame.seen_on(report)


def _table(found: Sequence[Entry], title: str = "", depth: Depth = Depth.OPEN) -> Table:
    def row(entry: Entry) -> Row:
        one = entry.one
        cells: tuple[Cell, ...] = (
            Id(entry.name, "strong"),
            Text(entry.dtypes, "quiet"),
            Verdict(one.verdict),
            distinct(one.default),
            distinct(one.deterministic),
            distinct(one.one_thread),
            same(one.threads_agree),
            same(one.onednn_agrees),
            same(one.batch_agrees),
            cost(one),
            seen(one),
        )
        return Row(cells)

    return Table(_COLUMNS, tuple(map(row, found)), Head.RULED, title=title, depth=depth)


def _refusals(report: v1.OpsReport, depth: Depth) -> Table:
    """Messages of the library; those of which nothing was seen here only where all were asked
    for.
    """

    def row(one: v1.Refusal) -> Row:
        shown = depth is Depth.OPEN or one.seen or one.ran
        return Row((Text(one.message, "name"), refusal(one)), Depth.OPEN if shown else Depth.RECORD)

    return Table(
        (Column("message"), Column("here")),
        tuple(map(row, report.refusals)),
        title="What this library says refuses to run under op determinism",
        depth=depth,
    )


def entries(report: v1.OpsReport, verdicts: Sequence[str] = ORDER) -> list[Entry]:
    """The entries in the order of ``ORDER``; dtypes of one operation with one verdict together."""
    found: dict[tuple, list[v1.Operation]] = {}
    for one in report.operations:
        if one.verdict in verdicts:
            found.setdefault((ORDER.index(one.verdict), one.name), []).append(one)
    return [
        Entry(name, ", ".join(one.dtype for one in group), group[0])
        for (_, name), group in sorted(found.items())
    ]


def counts(report: v1.OpsReport) -> str:
    """How many entries have which verdict."""
    numbers = {
        verdict: sum(one.verdict == verdict for one in report.operations) for verdict in ORDER
    }
    return ", ".join(f"{count} {verdict}" for verdict, count in numbers.items() if count)


def seen(one: v1.Operation) -> str:
    """What was seen of one entry."""
    parts = [one.reason]
    if one.guilty is not None and one.guilty.operation != one.name:
        parts.append(f"in {one.guilty.operation}")
    if one.divergence is not None:
        parts.append(where(one.divergence))
    if one.refused:
        parts.append(f"under op determinism: {one.refused}")
    if one.contrary:
        parts.append(one.contrary)
    if one.cost is not None:
        parts.append(f"op determinism takes {cost(one)} times as long")
    return "; ".join(parts)


def distinct(one: v1.Replays | None) -> str:
    return "" if one is None else f"{one.distinct} of {one.replays}"


def same(value: bool | None) -> str:
    return {True: "same", False: "other", None: ""}[value]


def cost(one: v1.Operation) -> str:
    return "" if one.cost is None else f"{one.cost:.2f}{spread(one.cost_range)}"


def refusal(one: v1.Refusal) -> str:
    here = [f"refuses here: {listed(one.seen)}"] if one.seen else []
    here += [f"ran here: {listed(one.ran)}"] if one.ran else []
    untried = [name for name in one.operations if name not in (*one.seen, *one.ran)]
    here += [f"not tried: {listed(untried)}"] if untried else []
    return "; ".join(here) or "names no operation"

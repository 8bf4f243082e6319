"""The page of a sweep over operations: what does not repeat first."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from detaudit.core.sentences import listed
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
from detaudit.report.pages.wording import ORDER, describe_divergence, number, spread
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
    return list(
        dict.fromkeys(
            operation.name for operation in report.operations if operation.verdict == verdict
        )
    )


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


def _table(section: Sequence[Entry], title: str = "", depth: Depth = Depth.OPEN) -> Table:
    def row(entry: Entry) -> Row:
        operation = entry.one
        cells: tuple[Cell, ...] = (
            Id(entry.name, "strong"),
            Text(entry.dtypes, "quiet"),
            Verdict(operation.verdict),
            distinct(operation.default),
            distinct(operation.deterministic),
            distinct(operation.one_thread),
            same(operation.threads_agree),
            same(operation.onednn_agrees),
            same(operation.batch_agrees),
            cost(operation),
            seen(operation),
        )
        return Row(cells)

    return Table(_COLUMNS, tuple(map(row, section)), Head.RULED, title=title, depth=depth)


def _refusals(report: v1.OpsReport, depth: Depth) -> Table:
    """Messages of the library; those of which nothing was seen here only where all were asked
    for.
    """

    def row(refused: v1.Refusal) -> Row:
        shown = depth is Depth.OPEN or refused.seen or refused.ran
        return Row(
            (Text(refused.message, "name"), refusal(refused)), Depth.OPEN if shown else Depth.RECORD
        )

    return Table(
        (Column("message"), Column("here")),
        tuple(map(row, report.refusals)),
        title="What this library says refuses to run under op determinism",
        depth=depth,
    )


def entries(report: v1.OpsReport, verdicts: Sequence[str] = ORDER) -> list[Entry]:
    """The entries in the order of ``ORDER``; dtypes of one operation with one verdict together."""
    groups: dict[tuple, list[v1.Operation]] = {}
    for operation in report.operations:
        if operation.verdict in verdicts:
            groups.setdefault((ORDER.index(operation.verdict), operation.name), []).append(
                operation
            )
    return [
        Entry(name, ", ".join(operation.dtype for operation in group), group[0])
        for (_, name), group in sorted(groups.items())
    ]


def counts(report: v1.OpsReport) -> str:
    """How many entries have which verdict."""
    numbers = {
        verdict: sum(operation.verdict == verdict for operation in report.operations)
        for verdict in ORDER
    }
    return ", ".join(f"{count} {verdict}" for verdict, count in numbers.items() if count)


def seen(operation: v1.Operation) -> str:
    """What was seen of one entry."""
    parts = [operation.reason]
    if operation.guilty is not None and operation.guilty.operation != operation.name:
        parts.append(f"in {operation.guilty.operation}")
    if operation.divergence is not None:
        parts.append(describe_divergence(operation.divergence))
    if operation.refused:
        parts.append(f"under op determinism: {operation.refused}")
    if operation.contrary:
        parts.append(operation.contrary)
    if operation.cost is not None:
        parts.append(f"op determinism takes {cost(operation)} times as long")
    return "; ".join(parts)


def distinct(replays: v1.Replays | None) -> str:
    return "" if replays is None else f"{replays.distinct} of {replays.replays}"


def same(value: bool | None) -> str:
    return {True: "same", False: "other", None: ""}[value]


def cost(operation: v1.Operation) -> str:
    return "" if operation.cost is None else f"{operation.cost:.2f}{spread(operation.cost_range)}"


def refusal(refused: v1.Refusal) -> str:
    here = [f"refuses here: {listed(refused.seen)}"] if refused.seen else []
    here += [f"ran here: {listed(refused.ran)}"] if refused.ran else []
    untried = [name for name in refused.operations if name not in (*refused.seen, *refused.ran)]
    here += [f"not tried: {listed(untried)}"] if untried else []
    return "; ".join(here) or "names no operation"

"""The page of a sweep over operations: nondeterministic operations first."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from detaudit.core.sentences import capitalized, listed
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
    Column("default", in_files=True),
    Column("op determinism", in_files=True),
    Column("one thread", in_files=True),
    Column("thread count", in_files=True),
    Column("oneDNN", in_files=True),
    Column("batch size", in_files=True),
    Column("cost", in_files=True),
    Column("observed"),
)


class Entry(NamedTuple):
    """Entries of one operation with the same verdict: ``dtypes`` in one line."""

    name: str
    dtypes: str
    one: v1.Operation


def page(report: v1.OpsReport) -> Page:
    """Return the whole page."""
    sentences = (wording.work(report), wording.decided(report))
    closing = Closing(sentences, "-v shows every operation")
    return frame.page_of(report, "detaudit ops", _blocks(report), closing, _next_steps(report))


def _next_steps(report: v1.OpsReport) -> Iterator[Block]:
    """Return what a reader should do next."""
    if _named(report, "broken"):
        todo = (
            "file a bug: --reproducer bug.py writes a script that reproduces it, "
            "--markdown report.md a report to attach"
        )
        yield Lines((Line("What to do", todo),))
    elif _named(report, "needs-pin"):
        todo = "call tf.config.experimental.enable_op_determinism() if your model uses any of them"
        yield Lines((Line("What to do", todo),))


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
            f"{len(broken)} of {operations} gave different results from equal inputs, and op "
            f"determinism does not prevent this: {listed(broken)}."
        )
        return Answer("bad", "BROKEN", sentence)
    if report.outcome == "inconclusive":
        return Answer("unsure", "NOT DECIDED", f"{capitalized(report.reason)}.")
    differing = _named(report, "needs-pin")
    if differing:
        sentence = (
            f"{len(differing)} of {operations} gave different results from equal inputs: "
            f"{listed(differing)}."
        )
        return Answer("unsure", "NEEDS A PIN", sentence)
    matching = {one.name for one in report.operations if one.verdict in ("reproducible", "varies")}
    sentence = (
        f"{number(len(matching), 'operation')} gave bitwise identical results in all replays and "
        f"in two processes."
    )
    return Answer("good", "REPRODUCIBLE", sentence)


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
        "Depends on thread count": [
            one.name for one in operations if one.same_on_one_thread is False
        ],
        "Depends on oneDNN": [one.name for one in operations if one.same_without_onednn is False],
        "Depends on batch size": [one.name for one in operations if one.same_in_a_batch is False],
        "Contradicts documentation": [
            one.name for one in operations if one.contradicts_documentation
        ],
    }
    for label, names in unlike.items():
        if names:
            yield Line(label, Names(tuple(dict.fromkeys(names)), 8))
    for one in report.warnings[: frame.MOST_WARNINGS]:
        yield Line("Note", Text(one, "quiet"), "quiet")
    yield from frame.context_lines(report)


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
            same(operation.same_on_one_thread),
            same(operation.same_without_onednn),
            same(operation.same_in_a_batch),
            cost(operation),
            describe_operation(operation),
        )
        return Row(cells)

    return Table(_COLUMNS, tuple(map(row, section)), Head.RULED, title=title, depth=depth)


def _refusals(report: v1.OpsReport, depth: Depth) -> Table:
    """Return the library's messages; those without observations here only if all were requested."""

    def row(refused: v1.Refusal) -> Row:
        shown = depth is Depth.OPEN or refused.refused_here or refused.ran_here
        return Row(
            (Text(refused.message, "name"), refusal(refused)), Depth.OPEN if shown else Depth.RECORD
        )

    return Table(
        (Column("message"), Column("here")),
        tuple(map(row, report.refusals)),
        title="Operations that this library documents as refused under op determinism",
        depth=depth,
    )


def entries(report: v1.OpsReport, verdicts: Sequence[str] = ORDER) -> list[Entry]:
    """Return the entries in the order of ``ORDER``; dtypes of one operation with the same verdict
    together.
    """
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
    """Return how many entries have which verdict."""
    numbers = {
        verdict: sum(operation.verdict == verdict for operation in report.operations)
        for verdict in ORDER
    }
    return ", ".join(f"{count} {verdict}" for verdict, count in numbers.items() if count)


def describe_operation(operation: v1.Operation) -> str:
    """Return the observations about one entry."""
    parts = [operation.reason]
    if (
        operation.differing_operation is not None
        and operation.differing_operation.name != operation.name
    ):
        parts.append(f"in {operation.differing_operation.name}")
    if operation.divergence is not None:
        parts.append(describe_divergence(operation.divergence))
    if operation.refusal_message:
        parts.append(f"under op determinism: {operation.refusal_message}")
    if operation.contradicts_documentation:
        parts.append(operation.contradicts_documentation)
    if wording.is_beyond_noise(operation.cost_range):
        parts.append(f"op determinism takes {cost(operation)} the time")
    return "; ".join(parts)


def distinct(replays: v1.Replays | None) -> str:
    return "" if replays is None else f"{replays.distinct} distinct in {replays.replays}"


def same(value: bool | None) -> str:
    return {True: "same bits", False: "other bits", None: ""}[value]


def cost(operation: v1.Operation) -> str:
    if operation.cost is None:
        return ""
    bounds = spread(operation.cost_range)
    if not wording.is_beyond_noise(operation.cost_range):
        return f"within noise{bounds}"
    return f"{operation.cost:.2f}x{bounds}"


def refusal(refused: v1.Refusal) -> str:
    here = [f"refused here: {listed(refused.refused_here)}"] if refused.refused_here else []
    here += [f"ran here: {listed(refused.ran_here)}"] if refused.ran_here else []
    untried = [
        name
        for name in refused.operations
        if name not in (*refused.refused_here, *refused.ran_here)
    ]
    here += [f"not tried: {listed(untried)}"] if untried else []
    return "; ".join(here) or "the message names no operation"

"""The blocks that every page has around its own: the machine, the facts, the trials that failed."""

from collections.abc import Iterable, Iterator

from detaudit.report.pages import figures
from detaudit.report.pages.page import (
    Block,
    Closing,
    Code,
    Column,
    Depth,
    Line,
    Page,
    Row,
    Table,
    Text,
)
from detaudit.report.pages.wording import context, fact_lines
from detaudit.report.schema import v1

MOST_WARNINGS = 20
_MOST_FACTS = 150
_LONGEST_FACT = 200
_MOST_TRIALS = 100  # on a terminal


def context_lines(report: v1.Document) -> tuple[Line, ...]:
    """Return the line that says where the result was observed, if that is known."""
    observed = context(report)
    return (Line("Tested on", Text(observed, "quiet"), "quiet"),) if observed else ()


def page_of(
    report: v1.Document,
    title: str,
    blocks: Iterable[Block],
    closing: Closing,
    next_steps: Iterable[Block] = (),
) -> Page:
    """Return the page of a command: its own blocks, then those of every page."""
    tool = f"{report.tool.name} {report.tool.version}"
    whole = (*blocks, *_records(report))
    return Page(title, whole, closing, tool, report.version, tuple(next_steps))


def _records(report: v1.Document) -> Iterator[Block]:
    """Return the blocks at the end of every page: when trials ran, the facts, and the trials that
    did not complete.
    """
    yield from figures.timeline(report)
    facts = fact_lines(
        {"machine": report.machine, "environment": report.environment, "options": report.options}
    )
    lines = [one[:_LONGEST_FACT] for one in facts[:_MOST_FACTS]]
    if len(facts) > _MOST_FACTS:
        lines.append(f"({len(facts) - _MOST_FACTS:,} more in the JSON report)")
    yield Code(tuple(lines), title="Machine and environment", depth=Depth.RECORD, priority=2)
    ended = [one for one in report.trials if one.outcome != "completed"]
    if ended:
        depths = [Depth.OPEN] * _MOST_TRIALS + [Depth.RECORD] * len(ended)
        yield Table(
            (Column("trial"), Column("outcome"), Column("reason", joined=": ")),
            tuple(
                Row((str(one.number), one.outcome, one.reason), depth)
                for one, depth in zip(ended, depths, strict=False)
            ),
            title="Trials that did not complete",
            depth=Depth.DETAIL,
            priority=1,
        )

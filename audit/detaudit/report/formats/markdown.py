"""A page as Markdown for a public bug: under 60,000 characters, whatever it contains.

Every string is escaped by ``_text``, ``_cell`` or ``escape.fenced``, wherever it is in a block. The
answer and the next steps are visible; everything else is folded into ``<details>``. Blocks get
space by their priority, then in their order; what does not fit is counted, never cut in the middle.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from detaudit.core.sentences import listed
from detaudit.report.escape import (
    LONGEST_EXPORT,
    code,
    exports,
    fence,
    html,
    markdown,
    visible_line,
)
from detaudit.report.pages import page as pages
from detaudit.report.pages import registry
from detaudit.report.pages.page import Depth
from detaudit.report.pages.wording import number
from detaudit.report.schema import v1

LIMIT = 60_000  # characters; GitHub refuses an issue of more than 65,536
_RESERVE = 4_000  # for the end of the page, and for the counts of what was left out
_SENTENCE, _CELL = 1000, 600  # characters of a sentence, of a cell
_LONGEST_LINE = LONGEST_EXPORT
_MOST_LINES, _MOST_VARIABLES = 40, 20  # of a snippet
_MOST_OF_A_DIFF = 20_000
_MOST_UNDER = 20


class _Part(NamedTuple):
    """Return a block: as many rows as fit, between ``before`` and ``after``."""

    before: str
    rows: Sequence[str]
    after: str = ""


def render(document: v1.Document) -> str:
    """Return the page, ending in a newline. The same document gives the same text."""
    return draw(registry.page(document))


def draw(page: pages.Page) -> str:
    """Return the page of any command."""
    heading = f"### {_text(page.title)}\n\n"
    parts = [(block, _part(block)) for block in page.blocks]
    drawn = _shared_out(parts, LIMIT - _RESERVE - len(heading))
    left_out = sum(
        bool(part.rows) and not text for (_, part), text in zip(parts, drawn, strict=True)
    )
    missing = (
        f"{number(left_out, 'section')} left out to save room: see the JSON report.\n\n"
        if left_out
        else ""
    )
    return f"{heading}{''.join(drawn)}{missing}{_closing(page)}\n"


def _shared_out(parts: Sequence[tuple[pages.Block, _Part]], room: int) -> list[str]:
    """Return the blocks in at most ``room`` characters: at first each may take half of the rest,
    then unused space goes to the blocks that were cut.
    """
    drawn = [""] * len(parts)
    order = sorted(range(len(parts)), key=lambda place: parts[place][0].priority)
    for share in (2, 1):
        for place in order:
            room += len(drawn[place])
            drawn[place] = _fitted(*parts[place], room // share)
            room -= len(drawn[place])
    return drawn


def _closing(page: pages.Page) -> str:
    said = "; ".join(_text(sentence) for sentence in page.closing.sentences)
    return f"{said}. Written by {_text(page.tool, 120)}, report version {page.version}."


def _fitted(block: pages.Block, part: _Part, room: int) -> str:
    """Return the block in at most ``room`` characters, or an empty text if no row fits."""
    folded = block.depth is not Depth.OPEN
    heading, end = _heading(block), "\n\n</details>" if folded else ""
    free = room - len(heading) - len(part.before) - len(part.after) - 100
    kept: list[str] = []
    for row in part.rows:
        if len(row) + 1 > free:
            break
        kept.append(row)
        free -= len(row) + 1
    if not kept:
        return "" if part.rows or folded else heading
    missing = len(part.rows) - len(kept)
    note = f"\n\n{missing:,} more in the JSON report." if missing else ""
    body = (part.before + "\n".join(kept)).rstrip("\n") + part.after
    return f"{heading}{body}{note}{end}\n\n"


def _heading(block: pages.Block) -> str:
    if block.depth is not Depth.OPEN:
        title = f"{block.title}: {block.remark}" if block.remark else block.title
        return f"<details><summary>{html(title)}</summary>\n\n"
    if not block.title:
        return ""
    remark = f" {_text(block.remark, _SENTENCE)}" if block.remark else ""
    return f"**{_text(block.title)}:**{remark}\n\n"


def _part(block: pages.Block) -> _Part:
    match block:
        case pages.Answer():
            said = _text(block.sentence, _SENTENCE)
            return _Part("", [f"**{_text(block.verdict)}.** {said}"])
        case pages.Lines():
            return _Part("", [row for line in block.lines for row in _line(line)])
        case pages.Table():
            titles = [_cell(cell.title) for cell in block.columns]
            head = f"{_row(titles)}\n|{' --- |' * len(titles)}\n"
            return _Part(head, [_row([_cell(cell) for cell in row.cells]) for row in block.rows])
        case pages.Paste():
            return _Part("", [_snippet(cell) for cell in block.snippets])
        case pages.Diff():
            setting = _snippet(pages.Snippet(environment=block.environment))
            if not block.diff:
                return _Part("", [setting] if setting else [])
            fenced = _fenced(block.diff[:_MOST_OF_A_DIFF].splitlines(), "diff")
            return fenced._replace(before=f"{setting}\n\n{fenced.before}".lstrip("\n"))
        case pages.Code():
            return _fenced(block.lines, "text")
        case pages.Figure():  # its numbers are in the JSON report
            return _Part("", [])
    raise TypeError(f"Markdown draws no {type(block).__name__}")


def _text(value: str, longest: int = _CELL) -> str:
    return markdown(value, longest)


def _cell(cell: pages.Cell, longest: int = _CELL) -> str:
    match cell:
        case tuple():
            return "".join(_cell(inline, longest) for inline in cell)
        case str():
            return _text(cell, longest)
        case pages.Text(value):
            return _text(value, longest)
        case pages.Id(name):
            return code(name)
        case pages.Verdict(word):
            return _text(word)
        case pages.Sign():
            return cell.mark
        case pages.Several(sentences):
            return _text("; ".join(sentences), longest)
        case pages.Names(names):
            return _text(listed(names, len(names)), 4 * _SENTENCE)
    raise TypeError(f"Markdown draws no {type(cell).__name__}")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _line(line: pages.Line) -> Iterator[str]:
    yield f"- **{_text(line.label)}:** {_cell(line.value, _SENTENCE)}"
    for sentence in line.under[:_MOST_UNDER]:
        yield f"  - {_text(sentence)}"
    if len(line.under) > _MOST_UNDER:
        yield f"  - and {len(line.under) - _MOST_UNDER} more"


def _snippet(snippet: pages.Snippet) -> str:
    """Return variables as shell lines, and the lines of the script, below their purpose."""
    note = f" ({_text(snippet.note)})" if snippet.note else ""
    parts = [f"For {_text(snippet.caption)}{note}:"] if snippet.caption else []
    for lines, language, most in (
        (exports(snippet.environment), "sh", _MOST_VARIABLES),
        (snippet.lines, "python", _MOST_LINES),
    ):
        if lines:
            part = _fenced(lines[:most], language)
            more = [f"# {len(lines) - most} more in the JSON report"] if len(lines) > most else []
            parts.append(part.before + "\n".join([*part.rows, *more]) + part.after)
    return "\n\n".join(parts) + ("\n" if snippet.caption else "")


def _fenced(lines: Sequence[str], language: str) -> _Part:
    shown = [visible_line(line)[:_LONGEST_LINE] for line in lines]
    mark = fence(shown)
    return _Part(f"{mark}{language}\n", shown, f"\n{mark}")

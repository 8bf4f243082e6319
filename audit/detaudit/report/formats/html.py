"""A page as one HTML file: without scripts, and without anything from elsewhere.

Every string goes through Jinja's escape, after ``escape.clipped`` has made it visible. A block that
would be too large loses its last rows, which are counted.

Jinja2 and Matplotlib are the extra ``detaudit[html]``. Without Matplotlib a figure is its table of
numbers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from detaudit.core.sentences import number
from detaudit.errors import UsageError
from detaudit.report.escape import clipped, exports, visible_line
from detaudit.report.pages import page as pages
from detaudit.report.pages import registry
from detaudit.report.pages.page import Depth
from detaudit.report.schema import v1

if TYPE_CHECKING:
    from jinja2 import Template

LIMIT = 2_000_000  # bytes of the whole file
_RESERVE = 200_000  # of these, for the style and the figures
_INSTALL = "pip install 'detaudit[html]'"
_TEMPLATES = Path(__file__).parent / "templates"
_SENTENCE, _CELL, _LINE = 2000, 1000, 500  # characters of a sentence, of a cell, of a line
_SIGNS = {True: ("yes", "yes"), False: ("no", "no"), None: ("unknown", "not known")}
_DECIDES = {True: ("decides", "decides"), False: ("idle", "does not"), None: ("unknown", "?")}
_DIFF_LINES = {"+": "added", "-": "removed", "@": "place"}


class Piece(NamedTuple):
    """A string in a cell: how it looks, and, if it is a sign, what a screen reader says."""

    text: str
    look: str
    spoken: str = ""


@dataclass(frozen=True)
class Drawn:
    """A block and its rows, each ready for the template; ``left_out`` counts those without room."""

    block: pages.Block
    kind: str
    rows: Sequence[object]
    left_out: str = ""
    picture: str = ""


def check() -> None:
    """Raises UsageError if Jinja2 is not installed."""
    if not find_spec("jinja2"):
        raise UsageError(f"HTML needs Jinja2: {_INSTALL}")


def render(document: v1.Document) -> str:
    """Return the page. The same document gives the same bytes, with the same version of Matplotlib.

    Raises UsageError if Jinja2 is not installed.
    """
    return draw(registry.page(document))


def draw(page: pages.Page) -> str:
    """Return the page of any command."""
    check()
    room = (LIMIT - _RESERVE) // max(1, len(page.blocks))
    blocks = [_drawn(block, place, room) for place, block in enumerate(page.blocks)]
    return _template().render(
        page=page,
        blocks=blocks,
        answer=page.answer,
        closing="; ".join(_text(one, _SENTENCE) for one in page.closing.sentences),
        text=_text,
        sentence=lambda value: _text(value, _SENTENCE),
        pieces=pieces,
        folded=lambda block: block.depth in (Depth.DETAIL, Depth.RECORD),
    )


def _template() -> "Template":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    return environment.get_template("page.html")


def _drawn(block: pages.Block, place: int, room: int) -> Drawn:
    kind = type(block).__name__.lower()
    match block:
        case pages.Answer():
            return Drawn(block, kind, ())
        case pages.Figure():
            rows, left_out = _fitting(list(block.numbers.rows), room)
            return Drawn(block, "figure", rows, left_out, _picture(block, place))
        case pages.Lines():
            return Drawn(block, kind, *_fitting(list(block.lines), room))
        case pages.Table():
            return Drawn(block, kind, *_fitting(list(block.rows), room))
        case pages.Paste():
            return Drawn(block, kind, *_fitting([_snippet(one) for one in block.snippets], room))
        case pages.Diff():
            setting = _snippet(pages.Snippet(environment=block.environment))
            lines, left_out = _fitting(list(_diff(block.diff)), room)
            return Drawn(block, kind, (setting, lines), left_out)
        case pages.Code():
            return Drawn(block, kind, *_fitting(list(map(_line, block.lines)), room))
    raise TypeError(f"no HTML page has a {type(block).__name__}")


def _picture(figure: pages.Figure, place: int) -> str:
    """Return the figure as SVG; an empty text without Matplotlib."""
    if not find_spec("matplotlib"):
        return ""
    from detaudit.report.formats.drawing import draw

    return draw(figure, f"figure-{place}")


def _fitting(rows: list[object], room: int) -> tuple[list[object], str]:
    """Return as many rows as fit into ``room`` bytes, by the length of their text, and how many do
    not.
    """
    kept: list[object] = []
    for row in rows:
        room -= 120 + 6 * len(ascii(row))  # of an escaped character, and of the tags around it
        if room < 0 and kept:
            break
        kept.append(row)
    missing = len(rows) - len(kept)
    return kept, f"{number(missing, 'row')} left out: see the JSON report." if missing else ""


class _Snippet(NamedTuple):
    """Lines to paste: those for a shell, and those for the script."""

    caption: str
    note: str
    shell: Sequence[str]
    lines: Sequence[str]


def _snippet(snippet: pages.Snippet) -> _Snippet:
    return _Snippet(
        _text(snippet.caption),
        _text(snippet.note),
        [line[:_LINE] for line in exports(snippet.environment)],
        [_line(line) for line in snippet.lines],
    )


def _diff(diff: str) -> Iterator[Piece]:
    for line in diff.splitlines():
        head = line.startswith(("--- ", "+++ "))
        yield Piece(_line(line), "place" if head else _DIFF_LINES.get(line[:1], "context"))


def _line(line: str) -> str:
    return visible_line(line)[:_LINE]


def _text(value: str, longest: int = _CELL) -> str:
    return clipped(value, longest)


def pieces(cell: pages.Cell) -> Iterator[Piece]:
    """Return the strings of a cell or of a labelled line."""
    match cell:
        case tuple():
            for one in cell:
                yield from pieces(one)
        case str():
            yield Piece(_text(cell), "")
        case pages.Text(value, style):
            yield Piece(_text(value, _SENTENCE), style)
        case pages.Id(name):
            yield Piece(_text(name), "id")
        case pages.Verdict(word):
            yield Piece(_text(word), f"verdict {_verdict(word)}")
        case pages.Sign(value, decides):
            look, spoken = _DECIDES[value] if decides else _SIGNS[value]
            yield Piece(cell.mark, f"sign {look}", spoken)
        case pages.Several(sentences):
            yield Piece(_text("; ".join(sentences), _SENTENCE), "")
        case pages.Names(names):
            yield Piece(_text(", ".join(names), 4 * _SENTENCE), "")
        case _:
            raise TypeError(f"no HTML page has a {type(cell).__name__}")


def _verdict(word: str) -> str:
    known = ("broken", "error", "needs-pin", "varies", "reproducible", "skipped")
    return word if word in known else "other"

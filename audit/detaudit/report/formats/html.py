"""A page as one HTML file: without scripts, and without anything from elsewhere.

Every string goes through Jinja's escape, after ``escape.visible`` has made it visible. If the page
would be too large, its longest blocks lose their last rows, which are counted.

Jinja2 and Matplotlib are the extra ``detaudit[html]``. Without Matplotlib a figure is its table of
numbers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

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
INSTALL = "pip install 'detaudit[html]'"
MOST_UNDER = 40  # sentences under a labelled line
_TEMPLATES = Path(__file__).parent / "templates"
_SENTENCE, _CELL = 2000, 1000  # characters of a sentence, of a cell
_WORKS = {True: ("yes", "yes"), False: ("no", "no"), None: ("unknown", "not known")}
_DECIDES = {
    True: ("decides", "decides it"),
    False: ("idle", "does not"),
    None: ("unknown", "not observed"),
}
_DIFF_LINES = {"+": "added", "-": "removed", "@": "head"}


class Piece(NamedTuple):
    """A string in a cell with its classes of style; ``spoken`` is what a screen reader says
    instead.
    """

    text: str
    style: str
    spoken: str = ""


class Setting(NamedTuple):
    """Lines to paste: those for a shell, and those for the script."""

    caption: str
    note: str
    shell: Sequence[str]
    lines: Sequence[str]


@dataclass(frozen=True)
class Section:
    """A block in the page: its rows as markup, and how many of them have no room."""

    block: pages.Block
    kind: str
    name: str
    rows: Sequence[str]
    setting: Setting | None = None
    picture: str = ""
    left_out: str = ""


def check() -> None:
    """Raises UsageError if Jinja2 is not installed."""
    if not find_spec("jinja2"):
        raise UsageError(f"HTML needs Jinja2: {INSTALL}")


def render(document: v1.Document) -> str:
    """Return the page. The same document gives the same bytes, with the same installed packages.

    Raises UsageError if Jinja2 is not installed.
    """
    return draw(registry.page(document))


def draw(page: pages.Page) -> str:
    """Return the page of any command."""
    check()
    template = _template()
    macros: Any = template.module
    sections = [_section(block, place, macros) for place, block in enumerate(page.blocks)]
    empty = template.render(page=page, sections=[_cut(one, 0) for one in sections])
    room = LIMIT - len(empty.encode()) - 100 * len(sections)
    sizes = [[len(row.encode()) for row in section.rows] for section in sections]
    cut = [_cut(*one) for one in zip(sections, shared_out(sizes, room), strict=True)]
    return template.render(page=page, sections=cut)


def shared_out(sizes: Sequence[Sequence[int]], room: int) -> list[int]:
    """Return how many rows of each block fit into ``room``: small blocks stay whole, the others
    share the rest evenly.
    """
    kept = [0] * len(sizes)
    order = sorted(range(len(sizes)), key=lambda block: sum(sizes[block]))
    for place, block in enumerate(order):
        share = room // (len(order) - place)
        for size in sizes[block]:
            if size > share:
                break
            kept[block] += 1
            share -= size
            room -= size
    return kept


def _cut(section: Section, rows: int) -> Section:
    missing = len(section.rows) - rows
    word = "line" if section.kind in ("diff", "code") else "row"
    left_out = f"{number(missing, word)} left out: see the JSON report." if missing else ""
    return replace(section, rows=section.rows[:rows], left_out=left_out)


@cache  # it is compiled once
def _template() -> "Template":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.globals.update(
        text=lambda value: clipped(value, _CELL),
        sentence=lambda value: clipped(value, _SENTENCE),
        pieces=pieces,
        setting=setting,
        folded=lambda block: block.depth in (Depth.DETAIL, Depth.RECORD),
        install=INSTALL,
        most_under=MOST_UNDER,
    )
    return environment.get_template("page.html")


def _section(block: pages.Block, place: int, macros: Any) -> Section:
    kind = type(block).__name__.lower()
    name = clipped(block.title, _CELL) or "Report"
    match block:
        case pages.Answer():
            return Section(block, kind, name, ())
        case pages.Figure():
            rows = [macros.row(row) for row in block.numbers.rows]
            return Section(block, "figure", name, rows, picture=_picture(block, place))
        case pages.Lines():
            return Section(block, kind, name, [macros.line(line) for line in block.lines])
        case pages.Table():
            return Section(block, kind, name, [macros.row(row) for row in block.rows])
        case pages.Paste():
            snippets = [macros.snippet(setting(one), name) for one in block.snippets]
            return Section(block, kind, name, snippets)
        case pages.Diff():
            lines = [macros.diff_line(line) for line in _diff(block.diff)]
            variables = setting(pages.Snippet(environment=block.environment))
            return Section(block, kind, name, lines, variables)
        case pages.Code():
            lines = [macros.code_line(visible_line(line)) for line in block.lines]
            return Section(block, kind, name, lines)
    raise TypeError(f"no HTML page has a {type(block).__name__}")


def _picture(figure: pages.Figure, place: int) -> str:
    """Return the figure as SVG; an empty text without Matplotlib."""
    try:
        from detaudit.report.formats.drawing import draw

        return draw(figure, f"figure-{place}")
    except ImportError:
        return ""


def setting(snippet: pages.Snippet) -> Setting:
    """Return a snippet as lines for a page; none of them is cut."""
    return Setting(
        clipped(snippet.caption, _CELL),
        clipped(snippet.note, _CELL),
        exports(snippet.environment),
        [visible_line(line) for line in snippet.lines],
    )


def _diff(diff: str) -> Iterator[Piece]:
    for line in diff.splitlines():
        is_name = line.startswith(("--- ", "+++ "))
        style = "head" if is_name else _DIFF_LINES.get(line[:1], "context")
        yield Piece(visible_line(line), style)


def pieces(cell: pages.Cell) -> Iterator[Piece]:
    """Return the strings of a cell or of a labelled line."""
    match cell:
        case tuple():
            for inline in cell:
                yield from pieces(inline)
        case str():
            yield Piece(clipped(cell, _CELL), "")
        case pages.Text(value, style):
            yield Piece(clipped(value, _SENTENCE), style)
        case pages.Id(name):
            yield Piece(clipped(name, _CELL), "id")
        case pages.Verdict(word):
            known = word if word in get_args(v1.Kind) else "other"
            yield Piece(clipped(word, _CELL), f"verdict {known}")
        case pages.Sign(value, decides):
            style, spoken = (_DECIDES if decides else _WORKS)[value]
            yield Piece(cell.mark, f"sign {style}", spoken)
        case pages.Several(sentences):
            yield Piece(clipped("; ".join(sentences), _SENTENCE), "")
        case pages.Names(names):
            yield Piece(clipped(", ".join(names), 4 * _SENTENCE), "")
        case _:
            raise TypeError(f"no HTML page has a {type(cell).__name__}")

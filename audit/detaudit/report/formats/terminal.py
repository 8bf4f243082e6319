"""A page on a terminal, drawn with rich.

Every string becomes a ``Text`` (never markup) by ``_Drawing.text``, without any character that
could move a cursor. A terminal without Unicode gets plain signs.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from detaudit.core.sentences import listed
from detaudit.report.escape import clipped, exports, visible_line
from detaudit.report.pages import page as pages
from detaudit.report.pages.page import Depth, Head

TONES = {"good": "bold green", "bad": "bold red", "unsure": "bold yellow"}
VERDICTS = {
    "broken": "bold red",
    "error": "red",
    "needs-pin": "yellow",
    "varies": "magenta",
    "reproducible": "green",
    "skipped": "dim",
}
STYLES = {"": "", "strong": "bold", "quiet": "dim", "notice": "yellow", "name": "cyan"}
LABELS = {**STYLES, "notice": "bold yellow"}
WORKS = {True: "green", False: "red", None: "dim"}
DECIDES = {True: "bold yellow", False: "dim", None: "yellow"}
#: The replacements of our own signs on a console with only ASCII.
_ASCII = str.maketrans(
    {"\u2713": "+", "\u2717": "x", "\u2013": "-", "\u00b7": ".", "\u2260": "!=", "\u2026": "..."}
)
_SENTENCE = 1000  # characters of an answer or of a labelled line
_PROMPT = 2  # lines of a screen below what a command prints
_CELL, _CELL_VERBOSE = 300, 2000  # characters of a cell
_MOST_UNDER = 40  # sentences under a labelled line
_DIFF_STYLES = {"+": "green", "-": "red", "@": "dim"}


def render(page: pages.Page, verbose: bool = False, scrolls: bool = True) -> RenderableType:
    """Return the page as something that a rich console prints; ``verbose`` adds the details. If it
    ``scrolls``, a page that is longer than the screen ends with its answer.

    Print it with ``crop=False``: lines to paste are never broken, however narrow the terminal.
    """
    return _Printed(page, verbose, scrolls)


@dataclass(frozen=True)
class _Printed:
    """A page, drawn once the width is known and whether only ASCII can be shown. It leaves no
    blanks at the ends of lines.
    """

    page: pages.Page
    verbose: bool
    scrolls: bool

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        drawing = _Drawing(self.verbose, options.ascii_only, options.max_width)
        whole = list(_segments(drawing.draw(self.page), console, options))
        yield from whole
        lines = sum(segment.text.count("\n") for segment in whole)
        scrolled = self.scrolls and lines > console.height - _PROMPT
        yield from _segments(drawing.draw_last(self.page, scrolled), console, options)


def _segments(
    parts: Iterable[RenderableType], console: Console, options: ConsoleOptions
) -> Iterator[Segment]:
    for part in parts:
        if isinstance(part, Unbroken):  # render_lines would crop it
            yield from console.render(part, options)
            continue
        for line in console.render_lines(part, options, pad=False):
            yield from _trimmed(line)
            yield Segment.line()


@dataclass(frozen=True)
class Unbroken:
    """Lines that are never broken, each with its style, if the console prints with ``crop=False``.

    A comment that would not fit is shown above its line instead.
    """

    lines: Sequence[tuple[str, str]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line, style in self.lines:
            code, mark, comment = line.partition("  # ")
            if mark and style == "cyan" and len(line) > options.max_width:
                yield Segment(f"# {comment}\n", console.get_style("dim"))
                line = code
            yield Segment(f"{line}\n", console.get_style(style))


@dataclass(frozen=True)
class _Drawing:
    verbose: bool
    ascii: bool
    width: int

    def draw(self, page: pages.Page) -> Iterator[RenderableType]:
        for place, block in enumerate(page.blocks):
            if self._is_shown(block.depth):
                if place:
                    yield Text()
                yield from self._block(block)
        yield Text()
        yield self._closing(page.closing)

    def draw_last(self, page: pages.Page, scrolled: bool) -> Iterator[RenderableType]:
        """Draw the next steps; before them the answer again, if it has scrolled away."""
        if scrolled:
            yield Text()
            yield Text("In short:", "dim")
        for block in (page.answer, *page.next_steps) if scrolled else page.next_steps:
            yield Text()
            yield from self._block(block)

    def text(self, value: str, style: str | Style = "", longest: int = 0) -> Text:
        """Return a string of the document, shortened and harmless."""
        return Text(self._plain(clipped(value, longest or self._longest)), style)

    def _plain(self, shown: str) -> str:
        if not self.ascii:
            return shown
        return shown.translate(_ASCII).encode("ascii", "backslashreplace").decode()

    def _unbroken(self, lines: Iterable[str], style: str = "cyan") -> Unbroken:
        return Unbroken([(self._plain(visible_line(line)), style) for line in lines])

    @property
    def _longest(self) -> int:
        return _CELL_VERBOSE if self.verbose else _CELL

    def _is_shown(self, depth: Depth) -> bool:
        return depth in (Depth.OPEN, Depth.SECTION) or (self.verbose and depth is Depth.DETAIL)

    def _block(self, block: pages.Block) -> Iterator[RenderableType]:
        if block.title:
            yield Text.assemble(
                self.text(block.title, "bold"), "  ", self.text(block.remark, "dim", _SENTENCE)
            )
        match block:
            case pages.Answer():
                yield Text.assemble(
                    self.text(block.verdict, TONES[block.tone]),
                    "  ",
                    self.text(block.sentence, "bold", _SENTENCE),
                )
            case pages.Lines():
                yield self._lines(block)
            case pages.Table():
                yield self._table(block)
            case pages.Paste():
                yield from self._paste(block.snippets)
            case pages.Diff():
                yield from self._paste([pages.Snippet(environment=block.environment)])
                yield self._diff(block.diff)
            case pages.Code():
                lines = block.lines if self.verbose else block.lines[-block.last :]
                yield self._unbroken(lines, "dim")
            case _:
                raise TypeError(f"no terminal draws a {type(block).__name__}")

    def _cell(self, cell: pages.Cell, style: str = "", longest: int = 0) -> Text:
        match cell:
            case tuple():
                return Text().join(self._cell(one, style, longest) for one in cell)
            case str():
                return self.text(cell, style, longest)
            case pages.Text(detail=True) if not self.verbose:
                return Text()
            case pages.Text(value, meaning):
                return self.text(value, STYLES[meaning] or style, longest)
            case pages.Id(name, meaning):
                return self._id(name, STYLES[meaning] or style)
            case pages.Verdict(word):
                return self.text(word, VERDICTS.get(word, ""))
            case pages.Sign(value, decides):
                colours = DECIDES if decides else WORKS
                return Text(self._plain(cell.mark), colours[value])
            case pages.Several(sentences):
                return Text("\n").join(self.text(one, style, longest) for one in sentences)
            case pages.Names(names, most):
                shown = listed(names, len(names) if self.verbose else most)
                return self.text(shown, style, 4 * _SENTENCE)
        raise TypeError(f"no terminal draws a {type(cell).__name__}")

    def _id(self, name: str, style: str) -> Text:
        """Return an id; if space is short, a long one of two parts takes two lines."""
        shown = self.text(name, style, 60)
        first, colon, second = shown.plain.partition(":")
        if colon and self.width < 100 and len(name) > 18:
            return Text(f"{first}{colon}\n  {second}", style)
        return shown

    def _lines(self, block: pages.Lines) -> Table:
        grid = Table.grid(padding=(0, 2))
        grid.add_column(overflow="fold")
        grid.add_column(overflow="fold")
        for line in block.lines:
            label = self.text(line.label, LABELS[line.style])
            value = self._cell(line.value, longest=_SENTENCE)
            most = _MOST_UNDER if self.verbose else line.most
            under = [self.text(f"  {one}", longest=_SENTENCE) for one in line.under[:most]]
            if len(line.under) > most:
                under.append(self.text(f"  and {len(line.under) - most} more", "dim"))
            grid.add_row(label, Text("\n").join([value, *under]))
        return grid

    def _table(self, block: pages.Table) -> RenderableType:
        kept = [place for place, one in enumerate(block.columns) if not one.in_files]
        table = self._empty(block)
        for place in kept:
            column = block.columns[place]
            if not column.joined:
                verdicts = any(isinstance(row.cells[place], pages.Verdict) for row in block.rows)
                table.add_column(
                    self._cell(column.title) if block.head is Head.RULED else "",
                    no_wrap=verdicts,
                    overflow="fold",
                )
        if block.head is Head.PLAIN:
            table.add_row(*(self._cell(one.title, "dim") for one in block.columns))
        rows = list(self._rows(block))
        previous = None
        for row in rows:
            verdict = next((one for one in row.cells if isinstance(one, pages.Verdict)), None)
            if previous not in (None, verdict):
                table.add_row()
            previous = verdict
            table.add_row(*self._joined(block.columns, row, kept))
        left_out = sum(row.depth is Depth.RECORD for row in block.rows)
        if self.verbose and left_out:
            table.add_row("", Text(f"{left_out:,} more in the JSON report", "dim"))
        return table

    def _rows(self, block: pages.Table) -> Iterator[pages.Row]:
        """Return the rows that are shown; a brief one replaces the first of the rows that it
        summarizes.
        """
        brief = block.brief
        for row in block.rows:
            if self._is_shown(row.depth):
                yield row
            elif brief is not None and row.depth is Depth.DETAIL:
                yield brief
                brief = None

    def _empty(self, block: pages.Table) -> Table:
        if block.head is not Head.RULED:
            return Table.grid(padding=(0, 2))
        return Table(
            box=box.SIMPLE_HEAD,
            pad_edge=False,
            show_edge=False,
            padding=(0, 1, 0, 0),
            header_style="bold",
        )

    def _joined(
        self, columns: Sequence[pages.Column], row: pages.Row, kept: Sequence[int]
    ) -> list[Text]:
        """Return the cells of a row, with those of joined columns after the ones before them."""
        cells: list[Text] = []
        for place in kept:
            cell, joined = self._cell(row.cells[place]), columns[place].joined
            if not joined:
                cells.append(cell)
            elif cell and cells[-1]:
                cells[-1] = Text.assemble(cells[-1], joined, cell)
            elif cell:
                cells[-1] = cell
        return cells

    def _paste(self, snippets: Sequence[pages.Snippet]) -> Iterator[RenderableType]:
        """Draw variables as shell lines, then the lines of the script; if there are both, each says
        where it goes.
        """
        for snippet in snippets:
            if not self._is_shown(snippet.depth):
                continue
            if snippet.caption:
                note = f" ({snippet.note})" if snippet.note else ""
                yield Text()
                yield Text.assemble(self.text(snippet.caption, "bold"), self.text(note, "dim"))
            shell, lines = exports(snippet.environment), list(snippet.lines)
            if shell and lines:
                shell.insert(0, "# in the shell, before Python starts")
                lines[:0] = ["", "# at the top of the script"]
            yield self._unbroken([*shell, *lines])

    def _diff(self, diff: str) -> Unbroken:
        lines = [self._plain(visible_line(line)) for line in diff.splitlines()]
        return Unbroken([(line, _DIFF_STYLES.get(line[:1], "none")) for line in lines])

    def _closing(self, closing: pages.Closing) -> Text:
        more = () if self.verbose else (closing.more,)
        whole = " \u00b7 ".join([*closing.sentences, *closing.hints, *more])
        return self.text(whole, "dim", _SENTENCE)


def _trimmed(line: Sequence[Segment]) -> Iterator[Segment]:
    kept = list(line)
    while kept and not kept[-1].text.strip():
        kept.pop()
    if kept:
        yield from kept[:-1]
        yield Segment(kept[-1].text.rstrip(), kept[-1].style)

"""What a page on a terminal is made of: signs, lines to paste, and lines without trailing
blanks.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from detaudit.report.escape import clipped


@dataclass(frozen=True)
class Signs:
    """The few signs that are not letters."""

    yes: str = "\u2713"
    no: str = "\u2717"
    open: str = "?"
    not_tried: str = "\u2013"
    dot: str = "\u00b7"
    unlike: str = "\u2260"


PLAIN = Signs("+", "x", "?", "-", ".", "!=")


def cleaned(value: str, ascii: bool, style: str | Style = "", longest: int = 1000) -> Text:
    """A sentence of the document, clipped, and harmless; where a console knows ASCII alone, in
    that.
    """
    shown = clipped(value, longest)
    if ascii:
        shown = shown.replace("\u2026", "...").encode("ascii", "backslashreplace").decode()
    return Text(shown, style)


@dataclass(frozen=True)
class Sheet:
    """What a report's parts are drawn with; a page of one kind of report adds the ``parts``."""

    report: Any
    verbose: bool
    signs: Signs
    ascii: bool

    @classmethod
    def page(cls, report: Any, verbose: bool) -> "Page":
        """The report as something that a rich console prints, with ``crop=False``."""
        return Page(lambda signs, ascii, width: cls(report, verbose, signs, ascii).parts())

    def parts(self) -> Iterable[RenderableType]:
        raise NotImplementedError

    def _text(self, value: str, style: str = "", longest: int = 1000) -> Text:
        return cleaned(value, self.ascii, style, longest)


def trimmed(line: Sequence[Segment]) -> Iterator[Segment]:
    kept = list(line)
    while kept and not kept[-1].text.strip():
        kept.pop()
    if kept:
        yield from kept[:-1]
        yield Segment(kept[-1].text.rstrip(), kept[-1].style)


@dataclass(frozen=True)
class Lines:
    """Lines to paste, whole. A comment that would not fit stands above its line instead."""

    lines: tuple[str, ...]
    style: str = "cyan"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self.lines:
            code, mark, comment = line.partition("  # ")
            if mark and len(line) > options.max_width:
                yield Segment(f"# {comment}\n", console.get_style("dim"))
                line = code
            yield Segment(f"{line}\n", console.get_style(self.style))


_DIFF_STYLES = {"+": "green", "-": "red", "@": "dim"}


@dataclass(frozen=True)
class Diff:
    """A unified diff, its lines whole."""

    lines: tuple[str, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self.lines:
            yield Segment(f"{line}\n", console.get_style(_DIFF_STYLES.get(line[:1], "none")))


@dataclass(frozen=True)
class Page:
    """Parts below one another, drawn when the signs, whether they are ASCII alone, and the width
    are known.

    It leaves no blanks at the ends of lines. Print it with ``crop=False``: lines to paste are never
    broken.
    """

    parts: Callable[[Signs, bool, int], Iterable[RenderableType]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        signs = PLAIN if options.ascii_only else Signs()
        for part in self.parts(signs, options.ascii_only, options.max_width):
            if isinstance(part, (Lines, Diff)):  # render_lines would crop them
                yield from console.render(part, options)
                continue
            for line in console.render_lines(part, options, pad=False):
                yield from trimmed(line)
                yield Segment.line()

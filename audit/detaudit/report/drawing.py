"""What a page on a terminal is made of: signs, lines to paste, and lines without trailing blanks."""
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment


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

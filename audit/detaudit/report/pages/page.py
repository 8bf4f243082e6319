"""A page: the statements of a report, as blocks that every format can draw.

A block contains strings as the document has them, or values that say what a string is. It never
contains a string that was escaped or laid out for one format: the format that draws it does both.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal


class Depth(Enum):
    """Who sees a block or a row: everybody, or a reader who asks for more."""

    OPEN = "always there"
    SECTION = "on a terminal and on an HTML page; folded in Markdown"
    DETAIL = "on a terminal with -v; folded in a file"
    RECORD = "folded in a file alone"
    FIGURE = "in a format that draws figures"


#: The meaning of a string for the reader; a format decides how it looks.
Style = Literal["", "strong", "quiet", "notice", "name"]
Tone = Literal["good", "bad", "unsure"]


@dataclass(frozen=True)
class Text:
    """A string with a meaning. If ``detail``, a terminal shows it only with -v."""

    value: str
    style: Style = ""
    detail: bool = False


@dataclass(frozen=True)
class Id:
    """The name of a source, a pin, a component or an operation, which a reader may type."""

    name: str
    style: Style = ""


@dataclass(frozen=True)
class Verdict:
    """A verdict by its word. In a table, a terminal separates rows with different verdicts."""

    word: str


@dataclass(frozen=True)
class Sign:
    """Yes, no, or not known (None): whether something works, or whether it ``decides``."""

    value: bool | None
    decides: bool = False

    @property
    def mark(self) -> str:
        """The character for it."""
        marks = _DECIDES if self.decides else _WORKS
        return marks[self.value]


_WORKS = {True: "\u2713", False: "\u2717", None: "\u2013"}
_DECIDES = {True: "\u2713", False: "\u00b7", None: "?"}


@dataclass(frozen=True)
class Several:
    """Sentences: below one another on a terminal, else in one line."""

    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Names:
    """A list of names; a terminal shows the first ``most`` of them without -v."""

    names: tuple[str, ...]
    most: int


Inline = str | Text | Id | Verdict | Sign | Several | Names
#: The content of a cell or of a labelled line: one value, or several in a row.
Cell = Inline | tuple[Inline, ...]


@dataclass(frozen=True, kw_only=True)
class Block:
    """A part of a page, with a ``title`` and a ``remark`` if it needs them. If a format has little
    space, blocks with the lowest ``priority`` get theirs first.
    """

    title: str = ""
    remark: str = ""
    depth: Depth = Depth.OPEN
    priority: int = 0


@dataclass(frozen=True)
class Answer(Block):
    """The answer that a reader wants: ``verdict`` in capitals, and one sentence."""

    tone: Tone
    verdict: str
    sentence: str


@dataclass(frozen=True)
class Line:
    """A labelled line, with sentences ``under`` it, of which a terminal without -v shows the first
    ``most``.
    """

    label: str
    value: Cell
    style: Style = "strong"
    under: tuple[str, ...] = ()
    most: int = 4


@dataclass(frozen=True)
class Lines(Block):
    """Labelled lines."""

    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Column:
    """A column by its title. ``joined``: on a terminal its cells follow those of the previous
    column, after these characters. If ``in_files``, a terminal omits it.
    """

    title: Inline
    joined: str = ""
    in_files: bool = False


@dataclass(frozen=True)
class Row:
    cells: tuple[Cell, ...]
    depth: Depth = Depth.OPEN


class Head(Enum):
    """How a terminal shows the titles of a table's columns."""

    RULED = "above a line"
    PLAIN = "as a row"
    NONE = "not at all"


@dataclass(frozen=True)
class Table(Block):
    """Rows of cells below the titles of columns. If rows that are details are hidden, ``brief``
    replaces all of them.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    head: Head = Head.NONE
    brief: Row | None = None


@dataclass(frozen=True)
class Snippet:
    """Lines of Python, variables to set, the purpose of both, and a ``note``."""

    lines: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    caption: str = ""
    note: str = ""
    depth: Depth = Depth.OPEN


@dataclass(frozen=True)
class Paste(Block):
    """Lines to paste."""

    snippets: tuple[Snippet, ...]


@dataclass(frozen=True)
class Diff(Block):
    """A unified diff, and variables that must be set with it."""

    diff: str
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Code(Block):
    """Lines as a program wrote them; a terminal without -v shows only the ``last`` of them."""

    lines: tuple[str, ...]
    last: int = 20


@dataclass(frozen=True, kw_only=True)
class Figure(Block):
    """Numbers that are better seen. ``description`` says in words what there is to see, and
    ``numbers`` are the same in a table.
    """

    description: str
    numbers: Table
    depth: Depth = Depth.FIGURE


@dataclass(frozen=True)
class Curve(Figure):
    """Points (x, y) in the order of x, joined by a line. The axis of y is logarithmic."""

    points: tuple[tuple[float, float], ...]
    x_label: str
    y_label: str


@dataclass(frozen=True)
class Heatmap(Figure):
    """A row of cells for each of ``names``: True if something differs, False if all is equal, None
    if nothing was recorded. The cell ``first`` (row, column) is marked. A column stands for
    ``per_column`` consecutive values of x.
    """

    names: tuple[str, ...]
    cells: tuple[tuple[bool | None, ...], ...]
    first: tuple[int, int] | None
    per_column: int
    x_label: str


@dataclass(frozen=True)
class Bar:
    """A named value, between the smallest and the largest that were measured."""

    name: str
    value: float
    least: float
    greatest: float


@dataclass(frozen=True)
class Bars(Figure):
    """Values to be compared with each other and with ``reference``, from top to bottom."""

    bars: tuple[Bar, ...]
    reference: float
    x_label: str


@dataclass(frozen=True)
class Sample:
    """The values that were measured under one name."""

    name: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class Dots(Figure):
    """Each value of some samples, from top to bottom, with their means."""

    samples: tuple[Sample, ...]
    x_label: str


@dataclass(frozen=True)
class Span:
    """What was done between two times, in seconds, and whether it succeeded."""

    begin: float
    end: float
    succeeded: bool


@dataclass(frozen=True)
class Timeline(Figure):
    """What was done, in the order of its beginnings; several things may have been done at the same
    time.
    """

    spans: tuple[Span, ...]


@dataclass(frozen=True)
class Closing:
    """The end of a page: ``sentences``, ``hints`` for a user at a terminal, and what -v shows."""

    sentences: tuple[str, ...]
    more: str
    hints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Page:
    """The whole page, in reading order. One of its blocks is the answer.

    A terminal ends with the ``next_steps``, and, if the answer has scrolled away, shows it again.
    """

    title: str
    blocks: tuple[Block, ...]
    closing: Closing
    tool: str
    version: int
    next_steps: tuple[Block, ...] = ()

    @property
    def answer(self) -> Answer:
        return next(block for block in self.blocks if isinstance(block, Answer))

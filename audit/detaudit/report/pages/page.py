"""A page: what a report says, as blocks that every format can draw.

A block holds strings as the document has them, or values that say what a string is. It never holds
a string that was escaped or laid out for one format: the format that draws it does both.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal


class Depth(Enum):
    """Who is shown a block or a row: everybody, or a reader who asks for more."""

    OPEN = "always there"
    SECTION = "on a terminal; folded in a file"
    DETAIL = "on a terminal with -v; folded in a file"
    RECORD = "folded in a file alone"


#: What a string means to the reader; a format chooses how that looks.
Style = Literal["", "strong", "quiet", "notice", "name"]
Tone = Literal["good", "bad", "unsure"]


@dataclass(frozen=True)
class Text:
    """A string with a meaning. ``detail``: a terminal shows it with -v alone."""

    value: str
    style: Style = ""
    detail: bool = False


@dataclass(frozen=True)
class Id:
    """The name of a source, a pin, a component, an operation: what a reader may type."""

    name: str
    style: Style = ""


@dataclass(frozen=True)
class Verdict:
    """A verdict by its word. In a table, a terminal sets rows of another verdict apart."""

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
#: What stands in a cell or beside a label: one value, or some in a row.
Cell = Inline | tuple[Inline, ...]


@dataclass(frozen=True, kw_only=True)
class Block:
    """A part of a page, with a ``title`` and a ``remark`` on it where it needs them.

    Where a format has little room, blocks of the least ``priority`` get theirs first.
    """

    title: str = ""
    remark: str = ""
    depth: Depth = Depth.OPEN
    priority: int = 0


@dataclass(frozen=True)
class Answer(Block):
    """What a reader came for: ``verdict`` in capitals, and one sentence."""

    tone: Tone
    verdict: str
    sentence: str


@dataclass(frozen=True)
class Line:
    """A labelled line, and sentences that stand ``under`` it, the first ``most`` of them without
    -v on a terminal.
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
    """A column by its title.

    ``joined``: on a terminal its cells follow those of the column before, after these characters.
    ``in_files``: a terminal leaves it out.
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
    """Rows of cells below the titles of columns. Where rows that are details are not shown,
    ``brief`` stands for all of them.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    head: Head = Head.NONE
    brief: Row | None = None


@dataclass(frozen=True)
class Snippet:
    """Lines of Python, variables to set, what both are for, and a ``note``."""

    lines: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    caption: str = ""
    note: str = ""
    depth: Depth = Depth.OPEN


@dataclass(frozen=True)
class Paste(Block):
    """What to paste."""

    snippets: tuple[Snippet, ...]


@dataclass(frozen=True)
class Diff(Block):
    """A unified diff, and variables that must be set with it."""

    diff: str
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Code(Block):
    """Lines as a program wrote them; without -v a terminal shows the ``last`` of them alone."""

    lines: tuple[str, ...]
    last: int = 20


@dataclass(frozen=True)
class Closing:
    """How a page ends: ``sentences``, ``hints`` for who sits at a terminal, and what -v shows."""

    sentences: tuple[str, ...]
    more: str
    hints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Page:
    """The whole of it, in the order in which it is read. One of its blocks is the answer.

    A terminal on which it has scrolled away shows the answer below it again, and ``next_steps``:
    what to do.
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

"""The report on a terminal: the answer first, then one table of sources, then what else was found.

Drawn with rich from the document alone. Strings of the document become ``Text`` (never markup),
cleaned of everything that could move a cursor; a terminal without Unicode gets plain signs.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Group, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from detaudit.report.drawing import Lines, Page, Signs, cleaned
from detaudit.report.escape import exports, visible_line
from detaudit.report.pages import wording
from detaudit.report.pages.scan import BAD, GOOD, UNSURE, answer
from detaudit.report.schema import v1

STYLES = {
    "broken": "bold red",
    "error": "red",
    "needs-pin": "yellow",
    "varies": "magenta",
    "reproducible": "green",
    "skipped": "dim",
}
TONES = {GOOD: "bold green", BAD: "bold red", UNSURE: "bold yellow"}
LONGEST = 200  # characters of one sentence where the evidence is not asked for
MOST_TRIALS = 100


def render(report: v1.Report, verbose: bool = False) -> RenderableType:
    """The report as something that a rich console prints; ``verbose`` adds the evidence.

    Print it with ``crop=False``: lines to paste are never broken, however narrow the terminal.
    """
    return Page(lambda signs, ascii, width: _Drawing(report, verbose, signs, ascii, width).parts())


@dataclass(frozen=True)
class _Drawing:
    report: v1.Report
    verbose: bool
    signs: Signs
    ascii: bool
    width: int

    def parts(self) -> Iterator[RenderableType]:
        yield from self._answer()
        yield from self._sources()
        yield from self._pins()
        yield from self._ladder()
        yield from self._matrix()
        yield from self._reach()
        yield from self._placebos()
        if self.verbose:
            yield from self._evidence()
        yield from self._end()

    def _text(self, value: str, style: str | Style = "", longest: int = 0) -> Text:
        return cleaned(value, self.ascii, style, longest or (2000 if self.verbose else LONGEST))

    def _lines(self, fix: v1.Fix | v1.Recipe) -> Lines:
        """Variables as shell lines, then the lines of the script; where there are both, each says
        where it goes.
        """
        found, lines = exports(fix.environment), [visible_line(line) for line in fix.lines]
        if found and lines:
            found = [
                "# in the shell, before Python starts",
                *found,
                "",
                "# at the top of the script",
                *lines,
            ]
        else:
            found += lines
        if self.ascii:
            found = [line.encode("ascii", "backslashreplace").decode() for line in found]
        return Lines(tuple(found))

    def _heading(self, title: str, remark: str = "") -> RenderableType:
        return Text.assemble("\n", (title, "bold"), "  ", self._text(remark, "dim"))

    def _answer(self) -> Iterator[RenderableType]:
        found = answer(self.report)
        yield Text.assemble(
            (found.verdict, TONES[found.tone]), "  ", self._text(found.sentence, "bold", 1000)
        )
        recipe = self.report.recipe
        if recipe is not None and recipe.rung != "none":
            yield Text()
            yield self._lines(recipe)
        yield Text()
        rows = [
            (Text(label, "bold"), self._text(text, longest=1000)) for label, text in found.details
        ]
        rows += [
            (Text("Warning", "bold yellow"), self._text(one, longest=500))
            for one in self.report.warnings
        ]
        yield self._grid(
            [*rows, (Text("Seen on", "dim"), self._text(wording.context(self.report), "dim", 500))]
        )

    def _sources(self) -> Iterator[RenderableType]:
        if not self.report.verdicts:
            return
        table = Table(
            box=box.SIMPLE_HEAD,
            pad_edge=False,
            show_edge=False,
            padding=(0, 1, 0, 0),
            header_style="bold",
        )
        for title in ("source", "verdict", "what was seen", "pin"):
            table.add_column(title, no_wrap=title == "verdict", overflow="fold")
        previous = None
        for one in wording.ordered(self.report.verdicts):
            if previous not in (None, one.verdict):
                table.add_row()
            previous = one.verdict
            table.add_row(
                self._id(one.source),
                Text(one.verdict, STYLES[one.verdict]),
                self._text(
                    wording.seen(one, self.signs.unlike), "dim" if one.verdict == "skipped" else ""
                ),
                self._pin(one),
            )
        yield Text()
        yield table

    def _pin(self, one: v1.Verdict) -> Text:
        if one.verdict != "needs-pin" or one.pin is None:
            return Text()
        return (
            Text("the recipe", "dim")
            if wording.in_recipe(self.report, one)
            else self._id(one.pin, "cyan")
        )

    def _id(self, name: str, style: str = "") -> Text:
        """An id; a long one of two parts takes two lines where there is little room."""
        shown = self._text(name, style, 60)
        first, colon, second = shown.plain.partition(":")
        return (
            Text(f"{first}{colon}\n  {second}", style)
            if colon and self.width < 100 and len(name) > 18
            else shown
        )

    def _pins(self) -> Iterator[RenderableType]:
        """Each pin once; those that the recipe makes needless only as evidence."""
        wanted = [
            one
            for one in self.report.verdicts
            if one.verdict == "needs-pin"
            and one.fix is not None
            and (self.verbose or not wording.in_recipe(self.report, one))
        ]
        if not wanted:
            return
        yield self._heading("Pins", "what to paste where your code uses the source")
        for pin in dict.fromkeys(one.pin for one in wanted):
            holders = [one for one in wanted if one.pin == pin]
            fix = holders[0].fix
            assert fix is not None
            note = f"  ({fix.note})" if fix.note else ""
            names = ", ".join(one.source for one in holders)
            yield Text()
            yield Text.assemble(self._text(names, "bold", 300), self._text(note, "dim", 300))
            yield self._lines(fix)

    def _ladder(self) -> Iterator[RenderableType]:
        if not self.report.ladder:
            return
        chosen = self.report.recipe.rung if self.report.recipe else None
        rows = []
        for one in self.report.ladder:
            price = f"; a step takes {wording.cost(one)}" if one.cost is not None else ""
            also = (
                f"; {'; '.join(one.changes)}"
                if one.changes and (self.verbose or one.id == chosen)
                else ""
            )
            rows.append(
                (
                    self._sign(one.holds),
                    self._text(one.title, "bold" if one.id == chosen else ""),
                    self._text(f"{wording.climbed(one)}{price}{also}", longest=1000),
                )
            )
        yield self._heading("Recipes", f"weakest first, each on {wording.climbing(self.report)}")
        yield self._grid(rows)

    def _matrix(self) -> Iterator[RenderableType]:
        if not self.report.matrix:
            return
        cells = {(one.component, one.generator): one.decides for one in self.report.matrix}
        generators = list(dict.fromkeys(one.generator for one in self.report.matrix))
        table = Table.grid(padding=(0, 2))
        for _ in range(1 + len(generators)):
            table.add_column()
        table.add_row("", *(self._text(name, "dim", 30) for name in generators))
        for component in dict.fromkeys(one.component for one in self.report.matrix):
            table.add_row(
                self._text(component, longest=30),
                *(self._decides(cells.get((component, name))) for name in generators),
            )
        yield self._heading(
            "Which generator decides what",
            f"{self.signs.yes} decides it, {self.signs.dot} does not, {self.signs.open} not seen",
        )
        yield table

    def _decides(self, decides: bool | None) -> Text:
        return {
            True: Text(self.signs.yes, "bold yellow"),
            False: Text(self.signs.dot, "dim"),
            None: Text(self.signs.open, "yellow"),
        }[decides]

    def _reach(self) -> Iterator[RenderableType]:
        if not self.report.reach:
            return
        rows = [
            (
                self._sign(one.agrees),
                self._text(one.title),
                self._text(one.reason, "" if one.agrees is not None else "dim"),
            )
            for one in self.report.reach
        ]
        yield self._heading("Reach", wording.farthest(self.report))
        yield self._grid(rows)

    def _placebos(self) -> Iterator[RenderableType]:
        if not self.report.placebos:
            return
        rows = []
        for one in self.report.placebos:
            said = {True: "does nothing", False: "has an effect", None: "not shown"}[
                one.does_nothing
            ]
            yours = ("; your environment has it", "bold yellow") if one.yours else ""
            reason = (
                [self._text(one.reason, "dim")] if self.verbose or one.does_nothing is None else []
            )
            rows.append(
                (
                    Text(said, "yellow" if one.does_nothing else "dim"),
                    Group(Text.assemble(self._text(one.title), yours), *reason),
                )
            )
        yield self._heading("Placebos", "settings that people rely on")
        yield self._grid(rows)

    def _sign(self, holds: bool | None) -> Text:
        return {
            True: Text(self.signs.yes, "green"),
            False: Text(self.signs.no, "red"),
            None: Text(self.signs.not_tried, "dim"),
        }[holds]

    def _grid(self, rows: Iterable[Sequence[RenderableType]]) -> Table:
        grid = Table.grid(padding=(0, 2))
        for row in rows:
            grid.add_row(*row)
        return grid

    def _evidence(self) -> Iterator[RenderableType]:
        """Per source: where runs part first, what each condition's pairs showed, which trials."""
        control = self.report.control.models if self.report.control else ()
        rows = [
            (f"control, {wording.short(one.model)}", [wording.of_control(one)]) for one in control
        ]
        for one in wording.ordered(self.report.verdicts):
            first = [wording.first(one)] if one.divergence else []
            rows.append((one.source, [*first, *wording.evidence(one.counts, one.trial_numbers)]))
        ended = [one for one in self.report.trials if one.outcome != "completed"]
        rows += [
            (f"trial {one.number}", [f"{one.outcome}: {one.reason}"]) for one in ended[:MOST_TRIALS]
        ]
        if len(ended) > MOST_TRIALS:
            rows.append(
                (
                    "trials",
                    [
                        f"{len(ended) - MOST_TRIALS:,} more that did not complete: see the JSON report"
                    ],
                )
            )
        yield self._heading("Evidence", "where runs part first, the pairs that part, the trials")
        yield self._grid(
            (self._id(name), Group(*(self._text(line) for line in lines)))
            for name, lines in rows
            if lines
        )

    def _end(self) -> Iterator[RenderableType]:
        code = self.report.exit_code
        more = "" if self.verbose else f" {self.signs.dot} -v shows the evidence"
        yield Text()
        yield self._text(
            f"{wording.work(self.report)} {self.signs.dot} exit code {code}: {self.report.reason} "
            f"{self.signs.dot} detaudit explain ID tells more of a source{more}",
            "dim",
            1000,
        )

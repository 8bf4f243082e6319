"""The report of ``detaudit run`` on a terminal: verdict, where, why and the fix, in one screen."""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from detaudit.report.drawing import Diff, Lines, Sheet
from detaudit.report.escape import exports, visible_line
from detaudit.report.pages import run as words
from detaudit.report.schema import v1

MOST_SITES, MOST_SITES_VERBOSE = 4, 40


def render(report: v1.RunReport, verbose: bool = False) -> RenderableType:
    """The report as something that a rich console prints, with ``crop=False``."""
    return _Drawing.page(report, verbose)


@dataclass(frozen=True)
class _Drawing(Sheet):
    report: v1.RunReport

    def parts(self) -> Iterator[RenderableType]:
        report = self.report
        tone, verdict, sentence = words.answer(report)
        yield Text.assemble((verdict, words.TONES[tone]), "  ", self._text(sentence, "bold"))
        yield Text()
        grid = Table.grid(padding=(0, 2))
        for label, value in words.details(report):
            grid.add_row(Text(label, "bold"), self._text(value))
        for cause in report.causes:
            grid.add_row(Text("Why", "bold"), self._cause(cause))
        yield grid
        yield from self._fix()
        yield from self._faster()
        if report.traceback and report.reproducible is None:
            yield Text()
            yield Lines(
                tuple(visible_line(line) for line in report.traceback.splitlines()[-20:]), "dim"
            )
        if self.verbose:
            yield from self._evidence()
        yield Text()
        yield self._text(words.end(report, self.verbose), "dim")

    def _cause(self, cause: v1.Cause) -> Text:
        most = MOST_SITES_VERBOSE if self.verbose else MOST_SITES
        lines = [
            Text.assemble(self._text(cause.source, "yellow"), "  ", self._text(words.cause(cause)))
        ]
        lines += [self._text(f"  {words.site(site, cause.source)}") for site in cause.sites[:most]]
        if len(cause.sites) > most:
            lines.append(self._text(f"  and {len(cause.sites) - most} more lines", "dim"))
        return Text("\n").join(lines)

    def _fix(self) -> Iterator[RenderableType]:
        fix = self.report.fix
        if fix is None:
            return
        yield Text()
        yield Text.assemble(("Fix", "bold"), "  ", self._text(words.fix(fix)))
        if fix.environment:
            yield Lines(tuple(exports(fix.environment)))
        lines = [visible_line(line) for line in fix.diff.splitlines()]
        yield Diff(
            tuple(line.encode("ascii", "backslashreplace").decode() for line in lines)
            if self.ascii
            else tuple(lines)
        )

    def _faster(self) -> Iterator[RenderableType]:
        for pin, fix in self.report.price.fixes.items() if self.report.price is not None else ():
            yield Text.assemble("\n", ("Faster", "bold"), "  ", self._text(words.applied(pin, fix)))
            yield Lines(
                tuple(visible_line(line) for line in (*fix.lines, *exports(fix.environment)))
            )

    def _evidence(self) -> Iterator[RenderableType]:
        yield Text.assemble("\n", ("Evidence", "bold"))
        grid = Table.grid(padding=(0, 2))
        for label, value in words.evidence(self.report):
            grid.add_row(self._text(label, "dim"), self._text(value))
        for one in [one for one in self.report.trials if one.outcome != "completed"][:20]:
            grid.add_row(
                self._text(f"trial {one.number}", "dim"), self._text(f"{one.outcome}: {one.reason}")
            )
        yield grid

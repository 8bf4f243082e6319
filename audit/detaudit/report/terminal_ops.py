"""The report of ``detaudit ops`` on a terminal: what does not repeat first, everything with
``-v``.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from detaudit.report.drawing import Sheet
from detaudit.report.pages import ops as words
from detaudit.report.pages.run import TONES
from detaudit.report.pages.wording import listed
from detaudit.report.schema import v1

STYLES = {
    "broken": "bold red",
    "error": "bold red",
    "needs-pin": "yellow",
    "varies": "cyan",
    "reproducible": "green",
    "skipped": "dim",
}


def render(report: v1.OpsReport, verbose: bool = False) -> RenderableType:
    """The report as something that a rich console prints, with ``crop=False``."""
    return _Drawing.page(report, verbose)


@dataclass(frozen=True)
class _Drawing(Sheet):
    report: v1.OpsReport

    def parts(self) -> Iterator[RenderableType]:
        report = self.report
        tone, verdict, sentence = words.answer(report)
        yield Text.assemble((verdict, TONES[tone]), "  ", self._text(sentence, "bold"))
        yield self._text(words.counts(report), "dim")
        if report.options.get("list_raising"):
            yield from self._refusals()
        yield from self._entries("broken", "error", "needs-pin")
        yield from self._entries(*(("varies", "reproducible", "skipped") if self.verbose else ()))
        yield from self._in_one_line()
        if self.verbose and not report.options.get("list_raising"):
            yield from self._refusals()
        for one in report.warnings:
            yield self._text(f"Note: {one}", "dim")
        yield Text()
        yield self._text(words.end(report, self.verbose), "dim")

    def _entries(self, *verdicts: str) -> Iterator[RenderableType]:
        found = words.lines(self.report, verdicts)
        if not found:
            return
        yield Text()
        for line in found:
            yield Text.assemble(
                self._text(line.name, "bold"),
                "  ",
                (line.one.verdict, STYLES[line.one.verdict]),
                "  ",
                self._text(line.dtypes, "dim"),
            )
            yield Padding(
                self._text(words.seen(line.one), longest=1000 if self.verbose else 300),
                (0, 0, 0, 2),
            )

    def _in_one_line(self) -> Iterator[RenderableType]:
        operations = self.report.operations
        changing = {
            "the number of threads": [one.name for one in operations if one.threads_agree is False],
            "oneDNN": [one.name for one in operations if one.onednn_agrees is False],
            "the size of the batch": words.unlike_batches(operations),
        }
        contrary = list(dict.fromkeys(one.name for one in operations if one.contrary))
        found = [
            (
                f"other bits with {what}",
                listed(list(dict.fromkeys(names)), 1000 if self.verbose else 8),
            )
            for what, names in changing.items()
            if names
        ]
        found += (
            [("not as documented", listed(contrary, 1000 if self.verbose else 8))]
            if contrary
            else []
        )
        if found:
            grid = Table.grid(padding=(0, 2))
            for label, value in found:
                grid.add_row(Text(label, "bold"), self._text(value, longest=4000))
            yield Text()
            yield grid

    def _refusals(self) -> Iterator[RenderableType]:
        yield Text.assemble(
            "\n", ("What this library says refuses to run under op determinism", "bold")
        )
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        asked = self.report.options.get("list_raising")
        for one in self.report.refusals:
            if asked or one.seen or one.ran:
                table.add_row(self._text(one.message, "cyan"), self._text(words.refusal(one)))
        yield table

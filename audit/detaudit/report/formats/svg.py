"""A page on a terminal, as an SVG picture."""

import io

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI

from detaudit.report.formats import terminal
from detaudit.report.pages import registry
from detaudit.report.pages.page import Page
from detaudit.report.schema import v1

WIDTH = 100


def render(document: v1.Document) -> str:
    """Return the display of a terminal of ``WIDTH`` columns as SVG; the same document gives the
    same bytes.
    """
    return draw(registry.page(document), f"detaudit {document.command}")


def draw(page: Page, title: str) -> str:
    """A page as SVG, under a title."""
    console = Console(
        record=True,
        width=WIDTH,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
    )
    console.print(terminal.render(page, scrolls=False), crop=False)
    return console.export_svg(title=title, theme=DIMMED_MONOKAI, unique_id="detaudit")

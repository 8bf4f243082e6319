"""The formats: one file and one line each (docs/how-to/add-a-format.md)."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType

    from detaudit.report.schema import v1

#: Each is a module beside this one with ``render(document) -> str``.
FORMATS = (
    "json",
    "markdown",
    "junit",
    "svg",
    "html",
)


def on_screen(document: "v1.Document", verbose: bool) -> "RenderableType":
    """Return what a rich console prints, with ``crop=False``."""
    from detaudit.report.formats import terminal
    from detaudit.report.pages.registry import page

    return terminal.render(page(document), verbose)


def check(name: str) -> None:
    """Raises UsageError if a format needs a library that is not installed."""
    needs = getattr(import_module(f"detaudit.report.formats.{name}"), "check", None)
    if needs is not None:
        needs()


def rendered(document: "v1.Document", name: str) -> str:
    """Return the document as text in one of ``FORMATS``."""
    text: str = import_module(f"detaudit.report.formats.{name}").render(document)
    return text

"""Finds the page of a document: the module of this folder that is named after its command."""

from importlib import import_module

from detaudit.report.pages.page import Page
from detaudit.report.schema import v1


def page(document: v1.Document) -> Page:
    """Return the page of a document, whichever command wrote it."""
    drawn: Page = import_module(f"detaudit.report.pages.{document.command}").page(document)
    return drawn

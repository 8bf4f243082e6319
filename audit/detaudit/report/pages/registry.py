"""Which page a document has: one line a command."""

from detaudit.report.pages import ops, run, scan
from detaudit.report.pages.page import Answer, Page
from detaudit.report.schema import v1

#: The module with the ``page`` and the ``answer`` of each document.
PAGES = {
    v1.Report: scan,
    v1.RunReport: run,
    v1.OpsReport: ops,
}


def page(document: v1.Document) -> Page:
    """The page of a document, whichever command wrote it."""
    drawn: Page = PAGES[type(document)].page(document)
    return drawn


def answer(document: v1.Document) -> Answer:
    """What its reader came for."""
    found: Answer = PAGES[type(document)].answer(document)
    return found

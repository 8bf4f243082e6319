"""Which page a document has: one line a command."""

from detaudit.report.pages import ops, run, scan
from detaudit.report.pages.page import Page
from detaudit.report.schema import v1

PAGES = {
    v1.Report: scan.page,
    v1.RunReport: run.page,
    v1.OpsReport: ops.page,
}


def page(document: v1.Document) -> Page:
    """The page of a document, whichever command wrote it."""
    return PAGES[type(document)](document)

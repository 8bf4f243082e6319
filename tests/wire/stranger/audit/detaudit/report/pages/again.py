"""The page of ``detaudit again``."""

from collections.abc import Iterator

from detaudit.report.pages import wording
from detaudit.report.pages.frame import page_of, context_lines
from detaudit.report.pages.page import Answer, Block, Closing, Line, Lines, Page
from detaudit.report.schema import v1


def page(report: v1.AgainReport) -> Page:
    """The whole page."""
    sentences = (wording.work(report), wording.decided(report))
    closing = Closing(sentences, "-v shows trials that did not complete")
    return page_of(report, "detaudit again", _blocks(report), closing)


def _blocks(report: v1.AgainReport) -> Iterator[Block]:
    yield _answer(report)
    yield Lines(tuple(_details(report)))


def _answer(report: v1.AgainReport) -> Answer:
    if report.matches is None:
        return Answer("unsure", "NOT DECIDED", f"{report.reason}.")
    if report.matches:
        return Answer("good", "MATCH", "The two trials are bitwise identical.")
    return Answer("bad", "DIFFER", "Two trials with everything pinned are not identical.")


def _details(report: v1.AgainReport) -> Iterator[Line]:
    if report.divergence is not None:
        yield Line("Where", wording.describe_divergence(report.divergence))
    yield from context_lines(report)

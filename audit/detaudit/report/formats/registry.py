"""The faces of a document, whichever command wrote it."""

from rich.console import RenderableType

from detaudit.errors import UsageError
from detaudit.report import markdown_ops, markdown_run, terminal_ops, terminal_run, write
from detaudit.report.formats import junit, markdown, terminal
from detaudit.report.formats import svg as picture
from detaudit.report.schema import v1

#: The faces of reports other than a scan's: (kind of report, on a terminal, as Markdown).
_OTHERS = (
    (v1.RunReport, terminal_run.render, markdown_run.render),
    (v1.OpsReport, terminal_ops.render, markdown_ops.render),
)


def on_screen(document: v1.Document, verbose: bool) -> RenderableType:
    """What a rich console prints, with ``crop=False``."""
    for kind, terminal_face, _ in _OTHERS:
        if isinstance(document, kind):
            return terminal_face(document, verbose)
    assert isinstance(document, v1.Report)
    return terminal.render(document, verbose=verbose)


def rendered(document: v1.Document, kind: str) -> str:
    """The document as text in one of the formats that are written to files. Raises UsageError where
    it has none.
    """
    if kind == "json":
        return write.to_json(document)
    for other, _, markdown_face in _OTHERS:
        if isinstance(document, other):
            if kind == "markdown":
                return markdown_face(document)
            raise UsageError(
                f"A report of `detaudit {document.command}` has no {kind} form. It has terminal, json "
                f"and markdown."
            )
    assert isinstance(document, v1.Report)
    return {"markdown": markdown.render, "junit": junit.render, "svg": picture.render}[kind](
        document
    )

"""The faces of a document, whichever command wrote it."""
from rich.console import RenderableType

from detaudit.errors import UsageError
from detaudit.report import junit, markdown, markdown_run, picture, terminal, terminal_run, v1, write


def on_screen(document: v1.Document, verbose: bool) -> RenderableType:
    """What a rich console prints, with ``crop=False``."""
    if isinstance(document, v1.RunReport):
        return terminal_run.render(document, verbose)
    assert isinstance(document, v1.Report)
    return terminal.render(document, verbose=verbose)


def rendered(document: v1.Document, kind: str) -> str:
    """The document as text in one of the formats that are written to files. Raises UsageError where it has none."""
    if kind == "json":
        return write.to_json(document)
    if isinstance(document, v1.RunReport):
        if kind == "markdown":
            return markdown_run.render(document)
        raise UsageError(f"A report of `detaudit run` has no {kind} form. It has terminal, json and markdown.")
    assert isinstance(document, v1.Report)
    return {"markdown": markdown.render, "junit": junit.render, "svg": picture.render}[kind](document)

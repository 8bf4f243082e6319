"""The document itself."""

from detaudit.report import write
from detaudit.report.schema import v1


def render(document: v1.Document) -> str:
    """Return the document as JSON with sorted keys."""
    return write.to_json(document)

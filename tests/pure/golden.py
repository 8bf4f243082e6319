"""The golden files of the report's faces: how each is rendered, and how to write them anew.

``python -m tests.pure.golden`` writes them; read the difference before it is committed.
"""

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from unittest import mock

import msgspec
from detaudit.report import write
from detaudit.report.build import scan as build
from detaudit.report.formats import html, registry
from detaudit.report.schema import v1
from rich.console import Console

from tests.pure import example_audits, example_runs, example_spreads, example_sweeps

FOLDER = Path(__file__).parents[1] / "golden"


def report(name: str) -> v1.Report:
    """The document of one of the example audits of a scan."""
    found = build.document(
        example_audits.AUDITS[name](),
        declared=example_audits.declared(),
        private=example_audits.PRIVATE,
    )
    return unreleased(found)


def unreleased(found: v1.Document) -> v1.Document:
    """The document as of no version: a release of detaudit moves no golden file."""
    return msgspec.structs.replace(found, tool=v1.Tool(name="detaudit", version="0.0.0"))


def documents() -> dict[str, v1.Document]:
    """The documents of all example audits by the names of their golden files."""
    found: dict[str, v1.Document] = {
        f"report-{name}": report(name) for name in example_audits.AUDITS
    }
    for name, audit in example_runs.AUDITS.items():
        found[f"run-{name}"] = unreleased(example_runs.document(audit))
    for name, audit in example_spreads.AUDITS.items():
        found[f"spread-{name}"] = unreleased(example_spreads.document(audit))
    for name, audit in example_sweeps.AUDITS.items():
        found[f"ops-{name}"] = unreleased(example_sweeps.document(audit))
    return found


def on_terminal(found: v1.Document, width: int = 80, verbose: bool = False, **options) -> str:
    """What a console of this width prints; by default a pipe."""
    console = Console(file=StringIO(), width=width, _environ={}, **options)
    console.print(registry.on_screen(found, verbose), crop=False)
    return console.file.getvalue()


def in_html(found: v1.Document) -> str:
    """The page in HTML without its pictures, whose bytes depend on the version of Matplotlib."""
    with mock.patch.object(html, "_picture", lambda *_: ""):
        return registry.rendered(found, "html")


FACES: dict[str, Callable[[v1.Document], str]] = {
    "json": write.to_json,
    "80.txt": on_terminal,
    "120-verbose.txt": lambda found: on_terminal(found, 120, verbose=True),
    "md": lambda found: registry.rendered(found, "markdown"),
    "html": in_html,
    "xml": lambda found: registry.rendered(found, "junit"),
}
DOCUMENTS = documents()
NAMES = tuple(f"{name}.{face}" for name in DOCUMENTS for face in FACES)


def rendered(name: str) -> str:
    """Return the expected content of the golden file of this name."""
    document, _, face = name.partition(".")
    return FACES[face](DOCUMENTS[document])


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for one in NAMES:
        (FOLDER / one).write_text(rendered(one), encoding="utf-8")

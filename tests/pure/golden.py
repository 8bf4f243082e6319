"""The golden files of the report's faces: how each is rendered, and how to write them anew.

``python -m tests.pure.golden`` writes them; read the difference before it is committed.
"""

from collections.abc import Callable
from io import StringIO
from pathlib import Path

import msgspec
from detaudit.report import build, junit, markdown, terminal, v1, write
from rich.console import Console

from tests.pure.example_audits import AUDITS, PRIVATE, declared

FOLDER = Path(__file__).parents[1] / "golden"


def report(name: str) -> v1.Report:
    """The document of one of the example audits; a release of detaudit moves no golden file."""
    found = build.document(AUDITS[name](), declared=declared(), private=PRIVATE)
    return msgspec.structs.replace(found, tool=v1.Tool(name="detaudit", version="0.0.0"))


def on_terminal(found: v1.Report, width: int = 80, verbose: bool = False, **options) -> str:
    """What a console of this width prints; by default a pipe."""
    console = Console(file=StringIO(), width=width, _environ={}, **options)
    console.print(terminal.render(found, verbose), crop=False)
    return console.file.getvalue()


FACES: dict[str, Callable[[v1.Report], str]] = {
    "json": write.to_json,
    "80.txt": on_terminal,
    "120-verbose.txt": lambda found: on_terminal(found, 120, verbose=True),
    "md": markdown.render,
    "xml": junit.render,
}
NAMES = tuple(f"report-{audit}.{face}" for audit in AUDITS for face in FACES)


def rendered(name: str) -> str:
    """What the golden file of this name should hold."""
    audit, _, face = name.removeprefix("report-").partition(".")
    return FACES[face](report(audit))


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for one in NAMES:
        (FOLDER / one).write_text(rendered(one), encoding="utf-8")

"""``detaudit report``: render a saved report again."""

from pathlib import Path
from typing import Annotated

import typer

from detaudit.cli import streams
from detaudit.cli.messages import print_whole
from detaudit.cli.options import Evidence, PrintJson, alternatives, choice
from detaudit.report.formats import registry

EXAMPLE = "Example: detaudit report scan.json --format markdown"
FORMATS = ("terminal", *registry.FORMATS)


def report_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A report written with --json.")],
    format: Annotated[str, choice(FORMATS, help=f"{alternatives(FORMATS)}.")] = "terminal",
    json: PrintJson = False,
    verbose: Evidence = False,
) -> None:
    """Render a saved report again."""
    from detaudit.report import read

    document = read.load(file)
    form = "json" if json else format
    if form == "terminal":
        print_whole(registry.on_screen(document, verbose))
    else:
        streams.write_file(registry.rendered(document, form))

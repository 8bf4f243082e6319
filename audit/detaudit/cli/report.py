"""``detaudit report``: render a saved report again."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from detaudit.cli import streams
from detaudit.cli.options import Verbose, one_of
from detaudit.report.formats import registry

EXAMPLE = "Example: detaudit report scan.json --format markdown"
FORMATS = ("terminal", *registry.FORMATS)


def report_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A report written with --json.")],
    form: Annotated[
        str, typer.Option("--format", help=f"One of {', '.join(FORMATS)}.")
    ] = "terminal",
    verbose: Verbose = False,
) -> None:
    """Render a saved report again."""
    from detaudit.report import read

    document = read.load(file)
    if one_of(form, FORMATS, "--format") == "terminal":
        Console().print(registry.on_screen(document, verbose), crop=False)
    else:
        streams.write_file(registry.rendered(document, form))

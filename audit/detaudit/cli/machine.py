"""``detaudit machine``: what is known without a trial."""

import sys
from typing import Annotated

import typer
from rich.console import Console

from detaudit.cli import streams
from detaudit.cli.options import Python, interpreter_path

EXAMPLE = "Example: detaudit machine --json"


def machine_command(
    python: Python = sys.executable,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell what is known of this machine and of the environment under test."""
    from detaudit.cli.describe_machine import render
    from detaudit.execution import interpreter
    from detaudit.machine import inventory
    from detaudit.report import write

    described = inventory.everything(interpreter.ask(interpreter_path(python)).facts)
    if json:
        streams.write_file(write.plain_json(described))
    else:
        Console().print(render(described))

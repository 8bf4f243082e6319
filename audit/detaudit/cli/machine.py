"""``detaudit machine``: what is known without running a trial."""

import sys

from detaudit.cli import streams
from detaudit.cli.messages import print_whole
from detaudit.cli.options import PrintJson, Python, interpreter_path

EXAMPLE = "Example: detaudit machine --json"


def machine_command(python: Python = sys.executable, json: PrintJson = False) -> None:
    """Show what is known about this machine and the audited environment."""
    from detaudit.cli.describe_machine import render
    from detaudit.execution import interpreter
    from detaudit.machine import inventory
    from detaudit.report import write

    described = inventory.everything(interpreter.ask(interpreter_path(python)).facts)
    if json:
        streams.write_file(write.plain_json(described))
    else:
        print_whole(render(described), wide=True)

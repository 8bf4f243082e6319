"""The list of commands, one file and one line each (docs/how-to/add-a-command.md), and the handling
of exceptions.
"""

import sys
import traceback
from importlib import import_module
from typing import Annotated, Any

import typer

from detaudit import __version__
from detaudit.cli import streams
from detaudit.cli.command import Command, variables_of
from detaudit.cli.interruptions import interruptions
from detaudit.cli.messages import fault, warn
from detaudit.cli.output import FAULT, INTERRUPTED, code_of_lost_output
from detaudit.errors import DetauditError

#: In the order of the help. Each is a module beside this one with a function ``NAME_command``, the
#: ``EXAMPLE`` below its help, and click's ``SETTINGS`` if it needs them.
COMMANDS = (
    "scan",
    "run",
    "ops",
    "spread",
    "report",
    "sources",
    "explain",
    "machine",
)

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Find out, by experiment, what makes training differ from run to run.",
    epilog="Example: detaudit scan --quick",
)


def main() -> None:
    """Run the command; turn errors into one sentence and an exit code
    (docs/reference/exit-codes.md).
    """
    output = streams.install()
    interruptions.install()
    code = _exit_code()
    output.flush()
    if output.failure is not None and not output.reader_is_gone:
        warn(f"Cannot write to standard output: {output.failure.strerror}.")
        code = code_of_lost_output(code)
    interruptions.ignore()
    sys.exit(code)


def _exit_code() -> int:
    try:
        code = app(standalone_mode=False)
        if code == INTERRUPTED and not interruptions.reported:
            warn(interruptions.sentence)
        return code if isinstance(code, int) else 0
    except DetauditError as error:
        warn(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        warn(interruptions.sentence)
        return INTERRUPTED
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FAULT
    except Exception as error:
        if hasattr(error, "format_message"):  # typer's own: the command line is not usable
            return _print_usage_error(error)
        # a fault of detaudit must never look like a verdict
        warn(fault(traceback.format_exc()))
        return FAULT


def _print_usage_error(error: Any) -> int:
    """Print what is wrong with the command line, and return the exit code."""
    message = error.format_message()
    if message.strip():  # no arguments: the help was printed
        usage = f"{error.ctx.get_usage()}\n" if error.ctx is not None else ""
        warn(f"{usage}{message}")
    return int(error.exit_code)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"detaudit {__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
    ),
]


@app.callback()
def _global_options(version: Version = False) -> None:
    pass


def _add_command(name: str) -> None:
    module = import_module(f"detaudit.cli.{name}")
    settings = {**getattr(module, "SETTINGS", {}), **variables_of(name)}
    add = app.command(name, cls=Command, epilog=module.EXAMPLE, context_settings=settings)
    add(getattr(module, f"{name}_command"))


for _name in COMMANDS:
    _add_command(_name)

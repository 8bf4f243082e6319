"""The commands: one file and one line each (docs/how-to/add-a-command.md). And what becomes of an
exception.
"""

import signal
import sys
import traceback
from importlib import import_module
from typing import Annotated

import typer

from detaudit import __version__
from detaudit.cli.command import Command, variables_of
from detaudit.cli.output import fail
from detaudit.errors import DetauditError

#: In the order of the help. Each is a module beside this one with a function ``NAME_command``, the
#: ``EXAMPLE`` below its help, and ``SETTINGS`` of click's where it needs them.
COMMANDS = (
    "scan",
    "run",
    "ops",
    "report",
    "sources",
    "explain",
    "machine",
)

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Find out, by experiment, what makes training with Keras differ from run to run.",
    epilog="Example: detaudit scan --quick",
)


def main() -> None:
    """Run the command; errors become one sentence and an exit code
    (docs/reference/exit-codes.md).
    """
    # batch systems and a closed terminal interrupt as Ctrl-C does
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    try:
        app(standalone_mode=True)
    except DetauditError as error:
        fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        fail("Interrupted.", 130)
    except BrokenPipeError:
        sys.exit(0)
    except Exception:  # a fault of ours must never look like a verdict
        traceback.print_exc()
        fail("This is a fault of detaudit itself: please report it with the lines above.", 70)


def _version(asked: bool) -> None:
    if asked:
        print(f"detaudit {__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit."),
]


@app.callback()
def _everywhere(version: Version = False) -> None:
    pass


def _add(name: str) -> None:
    module = import_module(f"detaudit.cli.{name}")
    settings = {**getattr(module, "SETTINGS", {}), **variables_of(name)}
    add = app.command(name, cls=Command, epilog=module.EXAMPLE, context_settings=settings)
    add(getattr(module, f"{name}_command"))


for _name in COMMANDS:
    _add(_name)

"""The commands in the order of the help, and what becomes of an exception."""

import signal
import sys
import traceback
from typing import Annotated

import typer

from detaudit import __version__
from detaudit.cli import inspect, ops, report, run, scan
from detaudit.cli.command import Command, variables_of
from detaudit.cli.output import fail
from detaudit.errors import DetauditError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Names, by experiment, what makes two trainings with TensorFlow and Keras differ.",
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


for _name, _function, _epilog, _settings in (
    ("scan", scan.scan_command, scan.EXAMPLE, {}),
    ("run", run.run_command, run.EXAMPLE, run.SETTINGS),
    ("ops", ops.ops_command, ops.EXAMPLE, {}),
    ("report", report.report_command, report.EXAMPLE, {}),
    ("sources", inspect.sources_command, "Example: detaudit sources", {}),
    ("explain", inspect.explain_command, "Example: detaudit explain sparse-update", {}),
    ("machine", inspect.machine_command, "Example: detaudit machine --json", {}),
):
    app.command(
        _name, cls=Command, epilog=_epilog, context_settings={**_settings, **variables_of(_name)}
    )(_function)

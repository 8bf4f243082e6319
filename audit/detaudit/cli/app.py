"""The commands in the order of the help, and what becomes of an exception."""

import sys
import traceback
from typing import Annotated, Any

import typer

from detaudit import __version__
from detaudit.cli import inspect, ops, report, run, scan, streams
from detaudit.cli.interruptions import interruptions
from detaudit.cli.output import FAULT, INTERRUPTED, OUR_FAULT, code_of_lost_output, warn
from detaudit.errors import DetauditError

app = typer.Typer(
    add_completion=False,
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
        if hasattr(error, "format_message"):  # of typer: the command line is not usable
            return _usage(error)
        # a fault of ours must never look like a verdict
        warn(f"{traceback.format_exc()}{OUR_FAULT}")
        return FAULT


def _usage(error: Any) -> int:
    """What is wrong with the command line, and the exit code."""
    message = error.format_message()
    if message.strip():  # without: the help was printed, for there were no arguments
        usage = f"{error.ctx.get_usage()}\n" if error.ctx is not None else ""
        warn(f"{usage}{message}")
    return int(error.exit_code)


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


app.command("scan", epilog=scan.EXAMPLE)(scan.scan_command)
app.command("run", epilog=run.EXAMPLE, context_settings=run.SETTINGS)(run.run_command)
app.command("ops", epilog=ops.EXAMPLE)(ops.ops_command)
app.command("report", epilog=report.EXAMPLE)(report.report_command)
app.command("sources", epilog="Example: detaudit sources")(inspect.sources_command)
app.command("explain", epilog="Example: detaudit explain sparse-update")(inspect.explain_command)
app.command("machine", epilog="Example: detaudit machine --json")(inspect.machine_command)

"""What a command prints beside its report: messages on standard error, tables and pages on standard
output.
"""

import os
import sys

from rich.console import Console, RenderableType

OUR_FAULT = "This is a fault of detaudit itself: please report it with the lines above."

#: The width in a pipe, for tables whose rows are facts.
_WIDE = 10_000


def warn(message: str) -> None:
    """Print one or more sentences on standard error. Control characters in names from outside are
    made harmless.
    """
    from detaudit.report.escape import visible_line

    shown = "\n".join(visible_line(line) for line in message.split("\n"))
    Console(stderr=True).print(
        shown, style="bold red", highlight=False, markup=False, soft_wrap=True
    )


def fault(details: str) -> str:
    """Return what went wrong in detaudit, and the request to report it: without secrets, because it
    will be published.
    """
    from detaudit.cli.logs import Mask

    return f"{Mask()(details)}{OUR_FAULT}"


def note(message: str) -> None:
    """Print a line on standard error that is not an error."""
    Console(stderr=True).print(message, highlight=False, markup=False, soft_wrap=True)


def print_whole(shown: RenderableType, wide: bool = False) -> None:
    """Print on standard output without cutting anything. In a pipe, ``wide`` keeps every row in one
    line.
    """
    console = Console()
    if console.is_terminal:
        console.print(shown, crop=False)
        return
    if wide and "COLUMNS" not in os.environ:
        console = Console(width=_WIDE)
    with console.capture() as captured:
        console.print(shown, crop=False)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))

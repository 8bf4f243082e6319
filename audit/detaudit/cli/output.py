"""What a command leaves: a report on the screen and in files, a reproducer, a message, an exit
code.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from rich.console import Console, RenderableType

from detaudit.cli import going_on

if TYPE_CHECKING:
    from detaudit.core.experiment import Finished
    from detaudit.core.pinpoint import LocatedOperation
    from detaudit.report.schema import v1

#: What a reproducer's head names the versions of.
FRAMEWORKS = ("tensorflow", "torch", "keras", "numpy")

#: Columns of a pipe, for tables whose rows are facts.
_WIDE = 10_000


class Saved(Protocol):
    """What every command's findings have for who interrupts it."""

    @property
    def trials(self) -> "tuple[Finished, ...]": ...
    @property
    def resume(self) -> str | None: ...


def fail(message: str, code: int) -> NoReturn:
    warn(message)
    sys.exit(code)


def warn(message: str) -> None:
    from detaudit.report.escape import visible_line

    Console(stderr=True).print(
        visible_line(message), style="bold red", highlight=False, markup=False, soft_wrap=True
    )


def print_whole(shown: RenderableType, wide: bool = False) -> None:
    """On standard output, with nothing cut. In a pipe ``wide`` leaves every row in one line."""
    console = Console()
    if console.is_terminal:
        console.print(shown, crop=False)
        return
    if wide and "COLUMNS" not in os.environ:
        console = Console(width=_WIDE)
    with console.capture() as captured:
        console.print(shown, crop=False)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def note(message: str) -> None:
    """A line on standard error that is no error."""
    Console(stderr=True).print(message, highlight=False, markup=False, soft_wrap=True)


def print_how_to_continue(
    audit: Saved, code: int, program: int = 0, options: Mapping[str, str] = {}
) -> None:
    """Of an audit that is not complete and was saved: the command that goes on with it, with the
    options that were given and these. The last ``program`` words are a user's program. Exits with
    ``code``.
    """
    if audit.resume is not None:
        options = {"--resume": audit.resume, **options}
        line = going_on.command_line(sys.argv[1:], options, program, going_on.how_it_was_started())
        how = "Interrupted" if audit.interrupted else "Incomplete"
        saved = f" {len(audit.trials)} finished trials are saved." if audit.trials else ""
        warn(f"{how}.{saved} To continue, paste this line:")
        fail(line, code)


def hand_over(
    document: "v1.Document", targets: Mapping[str, Path | None], verbose: bool, quiet: bool = False
) -> None:
    """The report on the screen, and in the files that it was asked for."""
    from detaudit.report import write
    from detaudit.report.formats import registry

    if not quiet:
        print_whole(registry.on_screen(document, verbose))
    for kind, path in targets.items():
        if path is not None:
            write.save(path, registry.rendered(document, kind))


def reproduce(
    path: Path,
    operation: "LocatedOperation | None",
    facts: Mapping[str, Any],
    python: str,
    threads: int | None = None,
) -> None:
    """Write the script that shows one operation's fault, if it does; else say why there is none."""
    from detaudit.commands.ops import reproducer
    from detaudit.execution.workspace import workspace
    from detaudit.report import write

    packages = {
        name: version for name, version in facts.get("packages", {}).items() if name in FRAMEWORKS
    }
    backend = facts.get("framework", {}).get("backend", "tensorflow")
    text = None if operation is None else reproducer.text(operation, packages, threads, backend)
    if text is None:
        reason = "no operation gave different results from equal inputs in one process"
        if operation is not None:
            reason = f"{operation.name} cannot be called alone with generated inputs"
        print(f"No reproducer: {reason}.", file=sys.stderr)
        return
    with workspace() as folder:
        shown = reproducer.shows(text, python, folder.private)
    if shown:
        write.save(path, text)
        print(f"Reproducer: {path}. It was run, and its results differ.", file=sys.stderr)
    else:
        print(
            "No reproducer: called alone with random inputs, the operation gave equal results.",
            file=sys.stderr,
        )

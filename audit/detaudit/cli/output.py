"""The results of a command: a report in files and on the screen, a reproducer, a message, an exit
code.

Files are written first, so an error on the screen cannot lose them.
"""

import atexit
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rich.console import Console, RenderableType

from detaudit.cli import going_on
from detaudit.cli.interruptions import interruptions
from detaudit.core.sentences import number

if TYPE_CHECKING:
    from detaudit.commands.ops.findings import OpsAudit
    from detaudit.commands.run.findings import RunAudit
    from detaudit.commands.scan.findings import Audit
    from detaudit.core.conclusion import Failure
    from detaudit.core.events import Emit, Event
    from detaudit.core.pinpoint import LocatedOperation
    from detaudit.report.schema import v1

AnyAudit = TypeVar("AnyAudit", "Audit", "RunAudit", "OpsAudit")

#: The packages whose versions are in a reproducer's header.
FRAMEWORKS = ("tensorflow", "torch", "keras", "numpy")
#: The exit codes of docs/reference/exit-codes.md.
BROKEN, USAGE, FAULT, INTERRUPTED = 1, 2, 70, 130
OUR_FAULT = "This is a fault of detaudit itself: please report it with the lines above."

#: The width in a pipe, for tables whose rows are facts.
_WIDE = 10_000

#: The fields of an audit that are still reported if its document cannot be built.
KEPT = ("reproducible", "reason", "began", "seconds", "strict", "interrupted", "resume")


@dataclass(frozen=True)
class File:
    """A file to write: ``text`` returns its content; if ``private``, only the owner may read it."""

    text: Callable[[], str]
    private: bool = False


Files = Mapping[Path, File]


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


def note(message: str) -> None:
    """Print a line on standard error that is not an error."""
    Console(stderr=True).print(message, highlight=False, markup=False, soft_wrap=True)


def until_written(emit: "Emit") -> "Emit":
    """Return ``emit`` with interruptions blocked from the end of the trials until the files are
    written (:func:`hand_over`).

    All processes that trials started end with this process at the latest.
    """
    from detaudit.core.events import Closing
    from detaudit.execution import processes

    processes.adopt_orphans()
    atexit.register(processes.end_orphans)

    def handle(event: "Event") -> None:
        if isinstance(event, Closing):
            interruptions.defer()
        emit(event)

    return handle


def code_of_lost_output(code: int) -> int:
    """Return the exit code if a requested file could not be written: a usage error, unless
    something is known to be broken.
    """
    return code if code in (BROKEN, FAULT) else USAGE


def reports(document: "v1.Document", targets: Mapping[str, Path | None]) -> Files:
    """Return the files of a report, by the formats in which they were requested."""
    from detaudit.report.formats import registry

    def rendering(kind: str) -> File:
        return File(lambda: registry.rendered(document, kind))

    return {path: rendering(kind) for kind, path in targets.items() if path is not None}


def documented(build: "Callable[[AnyAudit], v1.Document]", audit: "AnyAudit") -> "v1.Document":
    """Return the document of an audit. If it cannot be built, which is a fault of detaudit, return
    one that says so, with the verdict but without its evidence.
    """
    from detaudit.core.conclusion import Failure

    try:
        return build(audit)
    except Exception as error:
        warn(fault(traceback.format_exc()))
        return build(_without_details(audit, Failure.of(error)))


def _without_details(audit: "AnyAudit", failure: "Failure") -> "AnyAudit":
    """Return an audit without its details, which have their default values."""
    details = {
        field.name: field.default
        for field in fields(audit)
        if field.name not in KEPT and field.default is not MISSING
    }
    fault: dict[str, Any] = {"failure": failure}
    if getattr(audit, "reproducible", False) is None:
        fault |= {"own_fault": True, "reason": failure.reason}
    return replace(audit, **{**details, **fault})


def hand_over(
    document: "v1.Document",
    files: Files,
    verbose: bool,
    quiet: bool = False,
    printed: str = "",
) -> int:
    """Write the files, then show the report on the screen, after the text that the program
    ``printed``. Return the exit code of the command.
    """
    from detaudit.report.formats import registry

    problems = [problem for path, file in files.items() if (problem := _write(path, file))]
    code = code_of_lost_output(document.exit_code) if problems else document.exit_code
    try:
        interruptions.release()
        sys.stdout.write(printed)
        if not quiet:
            print_whole(registry.on_screen(document, verbose))
    except KeyboardInterrupt:  # the reader has closed the pipe
        interruptions.reported = True
    finally:
        interruptions.defer()
    for problem in problems:
        warn(problem)
    if code != document.exit_code:  # the report on the screen ends with the other one
        warn(f"The exit code is therefore {code}, not {document.exit_code}.")
    return code


def _write(path: Path, file: File) -> str:
    """Write a file; if that fails, write it to the folder for temporary files. Return what went
    wrong, or an empty string.
    """
    from detaudit.errors import UsageError
    from detaudit.report import write

    try:
        content = file.text()
    except Exception:  # if one format fails, the others are still written
        return fault(f"{traceback.format_exc()}{path} was not written. ")
    try:
        write.save(path, content, private=file.private)
    except UsageError as error:
        place = write.save_elsewhere(path, content)
        return str(error) if place is None else f"{error} It was written to {place} instead."
    return ""


def print_how_to_continue(
    audit: "Audit | RunAudit | OpsAudit", program: int = 0, options: Mapping[str, str] = {}
) -> None:
    """For an incomplete audit, print the reason. If the audit was saved, also print the command
    that continues it, with the given options and these.

    The last ``program`` words are a user's program.
    """
    failure = audit.failure
    if failure is not None:
        early = f"The audit ended early: {failure.reason}."
        said = fault(failure.details) if failure.details else early
        warn(said)
    how = "Incomplete." if audit.resume is not None else ""
    if audit.interrupted:
        how, interruptions.reported = interruptions.sentence, True
    if audit.resume is None:
        if how:
            warn(how)
        return
    options = {"--resume": audit.resume, **options}
    line = going_on.command_line(sys.argv[1:], options, program, going_on.how_it_was_started())
    count = len(audit.trials)
    verb = "is" if count == 1 else "are"
    saved = f" {number(count, 'finished trial')} {verb} saved." if count else ""
    warn(f"{how}{saved} To continue, paste this line:")
    warn(line)


def reproduce(
    path: Path,
    operation: "LocatedOperation | None",
    facts: Mapping[str, Any],
    python: str,
    threads: int | None = None,
) -> None:
    """Write a script that reproduces one operation's nondeterminism, if confirmed; otherwise print
    why there is none.
    """
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
    try:
        interruptions.release()
        with workspace() as folder:
            shown = reproducer.shows(text, python, folder.private)
    except KeyboardInterrupt:
        warn("No reproducer: interrupted.")
        return
    finally:
        interruptions.defer()
    if shown:
        write.save(path, text)
        print(f"Reproducer: {path}. It was run, and its results differ.", file=sys.stderr)
    else:
        print(
            "No reproducer: called alone with random inputs, the operation gave equal results.",
            file=sys.stderr,
        )

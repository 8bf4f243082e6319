"""The results of an audit: a report in files and on the screen, and an exit code.

Files are written first, so an error on the screen cannot lose them.
"""

import atexit
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from detaudit.cli.interruptions import interruptions
from detaudit.cli.messages import OUR_FAULT, print_whole, warn

if TYPE_CHECKING:
    from detaudit.commands.ops.findings import OpsAudit
    from detaudit.commands.run.findings import RunAudit
    from detaudit.commands.scan.findings import Audit
    from detaudit.core.conclusion import Failure
    from detaudit.core.events import Emit, Event
    from detaudit.report.schema import v1

AnyAudit = TypeVar("AnyAudit", "Audit", "RunAudit", "OpsAudit")

#: The exit codes of docs/reference/exit-codes.md.
BROKEN, USAGE, FAULT, INTERRUPTED = 1, 2, 70, 130

#: The fields of an audit that are still reported if its document cannot be built.
KEPT = ("reproducible", "reason", "began", "seconds", "strict", "interrupted", "resume")


@dataclass(frozen=True)
class File:
    """A file to write: ``text`` returns its content; if ``private``, only the owner may read it."""

    text: Callable[[], str]
    private: bool = False


Files = Mapping[Path, File]


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
        warn(f"{traceback.format_exc()}{OUR_FAULT}")
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
        return f"{traceback.format_exc()}{path} was not written. {OUR_FAULT}"
    try:
        write.save(path, content, private=file.private)
    except UsageError as error:
        place = write.save_elsewhere(path, content)
        return str(error) if place is None else f"{error} It was written to {place} instead."
    return ""

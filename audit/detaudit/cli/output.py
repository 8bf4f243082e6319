"""The results of an audit: a report in files and on the screen, and an exit code.

Files are written first, so an error on the screen cannot lose them.
"""

import atexit
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console

from detaudit.cli import logs
from detaudit.cli.interruptions import interruptions
from detaudit.cli.messages import fault, print_whole, warn

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


@dataclass(frozen=True)
class Screen:
    """What the user sees of an audit: only errors if ``quiet``; also the evidence and the log if
    ``verbose``.
    """

    console: Console
    verbose: bool = False
    quiet: bool = False

    @classmethod
    def set_up(cls, verbose: bool, quiet: bool = False, log_file: Path | None = None) -> "Screen":
        """Create the screen, and start logging. Raises UsageError if ``log_file`` cannot be
        written.
        """
        console = Console(stderr=True)
        logs.set_up(console, verbose, log_file)
        return cls(console, verbose, quiet)

    @contextmanager
    def progress(self) -> "Iterator[Emit]":
        """Draw the progress of an audit while the block runs; yield the function that takes its
        events.

        Interruptions are blocked from the end of its trials until its files are written
        (:func:`hand_over`). All processes that trials started end with this process at the latest.
        """
        from detaudit.cli.progress import Drawing
        from detaudit.core.events import Closing
        from detaudit.execution import processes

        processes.adopt_orphans()
        atexit.register(processes.end_orphans)
        with Drawing(self.console, self.quiet, self.verbose) as drawing:

            def handle(event: "Event") -> None:
                if isinstance(event, Closing):
                    interruptions.defer()
                drawing(event)

            yield handle


def report_targets(**options: Path | None) -> dict[str, Path]:
    """Return the requested files of a report, from the options of the same names as the formats.
    Raises UsageError, before anything is run, if one of them cannot be rendered here.
    """
    from detaudit.report.formats import registry

    targets = {form: path for form, path in options.items() if path is not None}
    for form in targets:
        registry.check(form)
    return targets


def code_of_lost_output(code: int) -> int:
    """Return the exit code if a requested file could not be written: a usage error, unless
    something is known to be broken.
    """
    return code if code in (BROKEN, FAULT) else USAGE


def reports(document: "v1.Document", targets: Mapping[str, Path]) -> Files:
    """Return the files of a report, by the formats in which they were requested."""
    from detaudit.report.formats import registry

    return {
        path: File(partial(registry.rendered, document, form)) for form, path in targets.items()
    }


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
    defaults = {
        field.name: field.default
        for field in fields(audit)
        if field.name not in KEPT and field.default is not MISSING
    }
    kept = replace(audit, **{**defaults, "failure": failure})
    if getattr(audit, "reproducible", False) is None:
        return replace(kept, own_fault=True, reason=failure.reason)
    return kept


def hand_over(document: "v1.Document", files: Files, screen: Screen, printed: str = "") -> int:
    """Write the files, then show the report on the screen, after the text that the program
    ``printed``. Return the exit code of the command.
    """
    from detaudit.report.formats import registry

    outcomes = [_write(path, file) for path, file in files.items()]
    problems = list(filter(None, outcomes))
    code = code_of_lost_output(document.exit_code) if problems else document.exit_code
    try:
        interruptions.release()
        sys.stdout.write(printed)
        if not screen.quiet:
            print_whole(registry.on_screen(document, screen.verbose))
    except KeyboardInterrupt:  # the user has seen enough
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

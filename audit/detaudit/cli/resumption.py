"""The command line that continues an interrupted audit."""

import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from detaudit.cli.interruptions import interruptions
from detaudit.cli.messages import OUR_FAULT, warn
from detaudit.core.sentences import number

if TYPE_CHECKING:
    from detaudit.commands.ops.findings import OpsAudit
    from detaudit.commands.run.findings import RunAudit
    from detaudit.commands.scan.findings import Audit


def command_line(
    given: Sequence[str], options: Mapping[str, str], program: int = 0, start: str = "detaudit"
) -> str:
    """Return the line to paste: ``given``, the words after ``detaudit``, with these options in
    place of the given ones.

    The last ``program`` words are the user's program and its arguments; they are unchanged.
    """
    command, *words = given
    own = words[: len(words) - program] if program else words
    rest = words[len(own) :]
    # A value must not be mistaken for an option, nor the words after "--"
    ended = own.index("--") if "--" in own else len(own)
    kept, place = [], 0
    while place < ended:
        name = own[place].partition("=")[0]
        if name not in options:
            kept.append(own[place])
        elif "=" not in own[place]:
            place += 1  # remove its value too
        place += 1
    added = [word for name, value in options.items() for word in (name, value)]
    return f"{start} {shlex.join([command, *added, *kept, *own[ended:], *rest])}"


def how_it_was_started() -> str:
    """Return ``detaudit``, or the command with which a shell starts the running program."""
    started = Path(sys.argv[0])
    if started.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m detaudit"
    if shutil.which(started.name) == str(started.absolute()):
        return started.name
    return shlex.quote(str(started))


def print_how_to_continue(
    audit: "Audit | RunAudit | OpsAudit", program: int = 0, options: Mapping[str, str] = {}
) -> None:
    """For an incomplete audit, print the reason. If the audit was saved, also print the command
    that continues it, with the given options and these.

    The last ``program`` words are a user's program.
    """
    failure = audit.failure
    if failure is not None:
        fault = f"{failure.details}{OUR_FAULT}"
        warn(fault if failure.details else f"The audit ended early: {failure.reason}.")
    how = "Incomplete." if audit.resume is not None else ""
    if audit.interrupted:
        how, interruptions.reported = interruptions.sentence, True
    if audit.resume is None:
        if how:
            warn(how)
        return
    options = {"--resume": audit.resume, **options}
    line = command_line(sys.argv[1:], options, program, how_it_was_started())
    count = len(audit.trials)
    verb = "is" if count == 1 else "are"
    saved = f" {number(count, 'finished trial')} {verb} saved." if count else ""
    warn(f"{how}{saved} To continue, paste this line:")
    warn(line)

"""The command line that continues an interrupted audit."""

import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from detaudit.cli.interruptions import interruptions
from detaudit.cli.messages import fault, warn
from detaudit.core.sentences import number

if TYPE_CHECKING:
    from detaudit.commands.ops.findings import OpsAudit
    from detaudit.commands.run.findings import RunAudit
    from detaudit.commands.scan.findings import Audit


def command_line(
    given: Sequence[str],
    options: Mapping[str, str],
    program_words: int = 0,
    invocation: str = "detaudit",
) -> str:
    """Return the line to paste: ``given``, the words after ``detaudit``, with these options in
    place of the given ones.

    The last ``program_words`` are the user's program and its arguments; they are unchanged.
    """
    command, *words = given
    program_start = len(words) - program_words
    own, program = words[:program_start], words[program_start:]
    # A value must not be mistaken for an option, nor the words after "--"
    end = own.index("--") if "--" in own else len(own)
    remaining, kept = iter(own[:end]), []
    for word in remaining:
        name, equals, _ = word.partition("=")
        if name not in options:
            kept.append(word)
        elif not equals:
            next(remaining, None)  # its value
    replaced = [word for option in options.items() for word in option]
    return f"{invocation} {shlex.join([command, *replaced, *kept, *own[end:], *program])}"


def current_invocation() -> str:
    """Return ``detaudit``, or the command with which a shell starts the running program."""
    started = Path(sys.argv[0])
    if started.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m detaudit"
    if shutil.which(started.name) == str(started.absolute()):
        return started.name
    return shlex.quote(str(started))


def print_how_to_continue(
    audit: "Audit | RunAudit | OpsAudit",
    program_words: int = 0,
    options: Mapping[str, str] = {},
) -> None:
    """For an incomplete audit, print the reason. If the audit was saved, also print the command
    that continues it, with the given options and these.

    The last ``program_words`` are a user's program.
    """
    failure = audit.failure
    if failure is not None and failure.details:
        warn(fault(failure.details))
    elif failure is not None:
        warn(f"The audit ended early: {failure.reason}.")
    if audit.interrupted:
        interruptions.reported = True
    if audit.resume is not None:
        state = interruptions.sentence if audit.interrupted else "Incomplete."
        resume = {"--resume": audit.resume, **options}
        warn(f"{state}{_saved_trials(len(audit.trials))} To continue, paste this line:")
        warn(command_line(sys.argv[1:], resume, program_words, current_invocation()))
    elif audit.interrupted:
        warn(interruptions.sentence)


def _saved_trials(count: int) -> str:
    """Return the sentence on the saved trials, after a blank; empty if there are none."""
    if not count:
        return ""
    verb = "is" if count == 1 else "are"
    return f" {number(count, 'finished trial')} {verb} saved."

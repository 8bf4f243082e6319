"""The command line that continues an interrupted audit."""

import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


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

"""The command line that goes on with an interrupted audit: the one that was given, whole."""

import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def command_line(
    given: Sequence[str], options: Mapping[str, str], program: int = 0, start: str = "detaudit"
) -> str:
    """``given``, the words behind ``detaudit``, with these options in place of their own: a line
    to paste.

    The last ``program`` words are the user's program and its arguments, which stay as they are.
    """
    command, *words = given
    own = words[: len(words) - program] if program else words
    rest = words[len(own) :]
    # A value may not be mistaken for an option, nor may the words behind "--"
    ended = own.index("--") if "--" in own else len(own)
    kept, place = [], 0
    while place < ended:
        name = own[place].partition("=")[0]
        if name not in options:
            kept.append(own[place])
        elif "=" not in own[place]:
            place += 1  # its value goes too
        place += 1
    added = [word for name, value in options.items() for word in (name, value)]
    return f"{start} {shlex.join([command, *added, *kept, *own[ended:], *rest])}"


def how_it_was_started() -> str:
    """``detaudit``, or how else a shell starts what is running."""
    started = Path(sys.argv[0])
    if started.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m detaudit"
    if shutil.which(started.name) == str(started.absolute()):
        return started.name
    return shlex.quote(str(started))

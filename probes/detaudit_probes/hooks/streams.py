"""The standard streams of the user's process."""

import sys


def flush() -> None:
    """Write out what the script has printed, before a process ends without its own
    exit handlers.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue

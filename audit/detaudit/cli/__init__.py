"""The command line: one file per command. Only this folder prints, catches exceptions and exits.

A command imports what it needs when it runs, so that ``--help`` is quick.
"""

import signal
import sys

#: Systems other than Linux, on which detaudit is not tested.
NOT_TESTED = {
    "win32": "detaudit does not work on Windows itself: use it in WSL 2.",
    "darwin": (
        "detaudit is not tested on macOS: reports can be read, but scan, run and ops may fail. Use "
        "a container with Linux for them."
    ),
}


def main() -> None:
    """Run the command, and exit with its code."""
    said = NOT_TESTED.get(sys.platform)
    if said is not None:
        print(said, file=sys.stderr)
    if sys.platform == "win32":
        sys.exit(2)
    # Until the command handles Ctrl-C itself, it ends the imports without a traceback
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from detaudit.cli import app

    app.main()


__all__ = ["main"]

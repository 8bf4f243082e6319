"""The command line: one file per command. Only this folder prints, catches exceptions and exits.

A command imports what it needs when it runs, so that ``--help`` is quick.
"""

import signal


def main() -> None:
    """Run the command, and exit with its code."""
    # Until the command handles Ctrl-C itself, it ends the imports without a traceback
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from detaudit.cli import app

    app.main()


__all__ = ["main"]

"""The command line: one file per command. Only this folder prints, catches exceptions and exits.

A command imports what it needs when it runs, so that ``--help`` is quick.
"""

from detaudit.cli.app import main

__all__ = ["main"]

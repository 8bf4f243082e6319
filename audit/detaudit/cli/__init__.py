"""The command line. It alone prints, catches exceptions and exits.

One file a command. A command imports what it needs when it runs, so that ``--help`` is quick.
"""

from detaudit.cli.app import main

__all__ = ["main"]

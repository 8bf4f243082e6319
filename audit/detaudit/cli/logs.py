"""The destinations of the engine's log: standard error with ``-v``, and the file of ``--log-file``.

A log is sent to others like a report, so secrets are masked in both.
"""

import contextlib
import logging
import os
import sys
from pathlib import Path

from rich.console import Console

from detaudit.errors import UsageError

_LOG = logging.getLogger("detaudit")
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class Mask:
    """Masks secrets in a text: what looks like one, and the values of secret variables and of this
    command's own arguments.
    """

    def __init__(self) -> None:
        from detaudit.machine.secrets import values

        self._known = values.collect(os.environ, sys.argv[1:])

    def __call__(self, text: str) -> str:
        from detaudit.machine.secrets import forms, values

        return forms.mask(values.mask_values(text, self._known))


class _Masked(logging.Formatter):
    """A format without secrets."""

    def __init__(self, form: str | None = None) -> None:
        super().__init__(form)
        self._mask = Mask()

    def format(self, record: logging.LogRecord) -> str:
        return self._mask(super().format(record))


class _OnScreen(logging.Handler):
    """A handler that prints records above the progress display, which is drawn by the same
    ``console``.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(_Masked())
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(
            self.format(record), style="dim", highlight=False, markup=False, soft_wrap=True
        )


class _ToFile(logging.FileHandler):
    """A handler that gives up at the first error of its file, and says so once. The audit
    continues.
    """

    def handleError(self, record: logging.LogRecord) -> None:
        from detaudit.report.escape import visible_line

        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        _LOG.removeHandler(self)
        with contextlib.suppress(OSError):  # the rest cannot be written either
            self.close()
        place = visible_line(self.baseFilename)
        print(f"The log in {place} ends early: {error.strerror}.", file=sys.stderr)


def set_up(console: Console, verbose: bool, file: Path | None) -> None:
    """Start logging. Raises UsageError if the file cannot be written."""
    _LOG.handlers.clear()
    _LOG.propagate = False
    _LOG.addHandler(logging.NullHandler())
    _LOG.setLevel(logging.WARNING)
    if verbose:
        _LOG.setLevel(logging.INFO)
        _LOG.addHandler(_OnScreen(console))
    if file is None:
        return
    _LOG.setLevel(logging.DEBUG)
    try:
        # Only its owner may read it, like a report's folder
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK, 0o600))
        handler = _ToFile(file, mode="w", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UsageError(f"Cannot write the log to {file}: {error.strerror}.") from None
    handler.setFormatter(_Masked(_FORMAT))
    _LOG.addHandler(handler)

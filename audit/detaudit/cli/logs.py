"""Where the engine's log goes: to standard error with ``-v``, to the file of ``--log-file``."""

import logging
from pathlib import Path

from rich.console import Console

from detaudit.errors import UsageError

_LOG = logging.getLogger("detaudit")
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class _OnScreen(logging.Handler):
    """Records as lines above the progress display, which is drawn by the same ``console``."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(
            self.format(record), style="dim", highlight=False, markup=False, soft_wrap=True
        )


def set_up(console: Console, verbose: bool, file: Path | None) -> None:
    """Raises UsageError where the file cannot be written."""
    _LOG.handlers.clear()
    _LOG.propagate = False
    _LOG.addHandler(logging.NullHandler())
    _LOG.setLevel(logging.DEBUG if file else logging.INFO if verbose else logging.WARNING)
    if verbose:
        _LOG.addHandler(_OnScreen(console))
    if file is None:
        return
    try:
        handler = logging.FileHandler(file, mode="w", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UsageError(f"Cannot write the log to {file}: {error.strerror}.") from None
    handler.setFormatter(logging.Formatter(_FORMAT))
    _LOG.addHandler(handler)

"""Reads facts, any of which may be unreadable: each by itself, with the reason if it is not
known.
"""

import os
import platform
import tempfile
from collections.abc import Callable
from typing import TypeVar

from detaudit.machine.variables import shorten

Value = TypeVar("Value")


class Facts:
    """Reads the facts of one part of the machine; ``unknown`` maps ``part.fact`` to the reason."""

    def __init__(self, part: str, unknown: dict[str, str]) -> None:
        self._part, self._unknown = part, unknown

    def read(self, name: str, function: Callable[[], Value]) -> Value | None:
        """Return the result of ``function``, or None with a reason. If it is read again, the first
        reason stays until one succeeds.
        """
        key = f"{self._part}.{name}"
        try:
            value = function()
        # Drivers, /proc and the libraries that read them raise all kinds of exceptions on unusual
        # systems: one unreadable fact is reported with its reason, and must not affect the others.
        except Exception as error:
            self._unknown.setdefault(key, reason(error))
            return None
        self._unknown.pop(key, None)
        return value


def said(value: Value | None) -> Value:
    """Return ``value``, which must not be empty. Raises LookupError."""
    if not value:
        raise LookupError("the system does not report it")
    return value


def reason(error: BaseException) -> str:
    """Return an error's class and message in one line, without the names of users, their folders,
    or this host.
    """
    message = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    line = " ".join(f"{type(error).__name__}: {message}".split())[:300]
    return shorten(line, os.environ.get("HOME", ""), tempfile.gettempdir(), platform.node())

"""The conclusion of an audit: its outcome in a word, the exit code, and why
(docs/reference/exit-codes.md).
"""

import errno
import traceback
from dataclasses import dataclass

OK, UNFIT, INCONCLUSIVE = "ok", "broken", "inconclusive"
FAULT = 70  # the exit code of an audit that an exception ended before it was decided


@dataclass(frozen=True)
class Conclusion:
    outcome: str
    exit_code: int
    reason: str


#: Errors of the machine, not of our code, because of which a file cannot be written.
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE)


@dataclass(frozen=True)
class Failure:
    """The exception that ended an audit early; the findings up to then are still valid.

    ``details`` is its traceback if the fault is detaudit's own; empty if the disk is at fault.
    """

    reason: str
    details: str = ""

    @classmethod
    def of(cls, error: Exception) -> "Failure":
        if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
            where = f" ({error.filename})" if error.filename else ""
            return cls(f"{error.strerror}{where}")
        details = "".join(traceback.format_exception(error))
        name = type(error).__name__
        return cls(f"a fault of detaudit itself: {name}: {error}".rstrip(": "), details)

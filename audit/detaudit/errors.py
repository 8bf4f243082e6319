"""Exceptions are about us: each message says what was seen and what to do. Only ``cli`` catches
them.

What happens to a child is an outcome, and what is found about a machine a verdict; neither is here.
"""


class DetauditError(Exception):
    """Something that ends the command; ``exit_code`` as in docs/reference/exit-codes.md."""

    exit_code = 70


class UsageError(DetauditError):
    """The command line or a file it names is not usable."""

    exit_code = 2


class EnvironmentUnusable(DetauditError):
    """The interpreter under test cannot be audited: not found, too old, no framework, broken
    import.
    """

    exit_code = 3


class ReportUnreadable(UsageError):
    """A report that is truncated, huge, not a report, or newer than this detaudit."""

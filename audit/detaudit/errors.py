"""Exceptions are about detaudit: each message says what happened and what to do. Only ``cli``
catches them.

The result of a child is an outcome, and a finding about a machine is a verdict; neither is here.
"""


class DetauditError(Exception):
    """An error that ends the command; ``exit_code`` as in docs/reference/exit-codes.md."""

    exit_code = 70


class UsageError(DetauditError):
    """The command line, or a file that it names, is not usable."""

    exit_code = 2


class EnvironmentUnusable(DetauditError):
    """The interpreter under test cannot be audited: not found, too old, no framework, broken
    import.
    """

    exit_code = 3


class ReportUnreadable(UsageError):
    """A report that is truncated, huge, not a report, or newer than this detaudit."""

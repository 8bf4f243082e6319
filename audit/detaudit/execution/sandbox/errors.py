"""A sandbox that is not possible is a failure of detaudit, never of the user's program."""

from detaudit.errors import DetauditError


class SandboxFailed(DetauditError):
    """No view of the folder could be created; the message says what to do about it."""

    exit_code = 3


class StateGone(SandboxFailed):
    """The files that a run should start with do not exist."""

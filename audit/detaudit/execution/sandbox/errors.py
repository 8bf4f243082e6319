"""A sandbox that cannot be had is our failure, and never a property of the user's program."""

from detaudit.errors import DetauditError


class SandboxFailed(DetauditError):
    """No view of the folder could be made, with what to do about it."""

    exit_code = 3


class StateGone(SandboxFailed):
    """What a run is to begin from is not there."""

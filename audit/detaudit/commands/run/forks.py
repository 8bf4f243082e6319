"""Whether trials of the search may be forked from a process that has imported the program's
framework.
"""


class Forks:
    """Says whether forked trials may be used, and why not. Once dropped, they stay dropped.

    ``tried``: a forked run was compared with a fresh one.
    """

    def __init__(self, allowed: bool = True) -> None:
        self._allowed, self._reason = allowed, ""
        self.tried = False

    def usable(self) -> bool:
        return self._allowed and not self._reason

    def drop(self, reason: str) -> None:
        self._reason = self._reason or reason

    def note(self) -> str:
        """Return why they were not used, or no longer; empty if there is nothing to say."""
        return self._reason


NO_FORKS = Forks(allowed=False)

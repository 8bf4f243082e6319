"""Whether trials of the search may be forked from a process that has imported the program's
framework, and why not.
"""

from detaudit.core.condition import Condition


class Forks:
    """Says whether forked trials may be used, and why not. Once dropped, they stay dropped.

    A ``reason`` says what hinders them, and may call the script "it". ``tried`` are the
    conditions of which a forked run was compared with a fresh one. ``wrong``: forked runs seem to
    behave unlike fresh ones, so what they have answered does not count.
    """

    def __init__(self, allowed: bool = True, reason: str = "") -> None:
        self._allowed, self._reason = allowed, reason
        self._wanted = self._used = False
        self.wrong = False
        self.tried: set[Condition] = set()

    def usable(self) -> bool:
        """Whether the search may ask for forked trials. That it would like to is noted."""
        self._wanted = True
        return not self.hindered

    @property
    def hindered(self) -> bool:
        return not self._allowed or bool(self._reason)

    def drop(self, reason: str) -> None:
        """Run such trials in fresh processes from now on. The first ``reason`` is reported."""
        if self._allowed:
            self._reason = self._reason or reason

    def reject(self, reason: str) -> None:
        """Drop them, and do not count what they have answered."""
        self.drop(reason)
        self.wrong = self._allowed

    def use(self) -> None:
        """Note that a trial is forked."""
        self._used = True

    def note(self) -> str:
        """Return why they were not used, or no longer; empty if there is nothing to say."""
        if not self._wanted or not self._reason:
            return ""
        which = "later runs of the search" if self._used else "each run of the search"
        return f"{which} started the script from its first line, because {self._reason}"


NO_FORKS = Forks(allowed=False)

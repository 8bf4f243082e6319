"""Whether trials of the search may be forked from a process that has imported the program's
framework, and why not.
"""

from detaudit.core.condition import Condition


class Forks:
    """Says whether forked trials may be used, and why not. Once dropped, they stay dropped.

    A ``reason`` says why they are dropped, and may call the script "it". ``tried`` are the
    conditions of which a forked run was compared with a fresh one. ``rejected``: forked runs seem
    to behave unlike fresh ones, so what they have answered does not count.
    """

    def __init__(self, allowed: bool = True, reason: str = "") -> None:
        self._allowed, self._reason = allowed, reason
        self._wanted = self._used = False
        self._notable = True
        self.rejected = False
        self.tried: set[Condition] = set()

    @property
    def usable(self) -> bool:
        """Whether trials may be forked."""
        return self._allowed and not self._reason

    def want(self) -> bool:
        """Return whether they are usable, and note that the search asks for them."""
        self._wanted = True
        return self.usable

    def drop(self, reason: str, notable: bool = True) -> None:
        """Run such trials in fresh processes from now on. The first ``reason`` is reported, unless
        it is not ``notable``.
        """
        if self._allowed and not self._reason:
            self._reason, self._notable = reason, notable

    def reject(self, reason: str) -> None:
        """Drop them, and do not count what they have answered."""
        self.drop(reason)
        self.rejected = self._allowed

    def use(self) -> None:
        """Note that a trial is forked."""
        self._used = True

    def note(self) -> str:
        """Return why they were not used, or no longer; empty if there is nothing to say."""
        if not (self._wanted and self._reason and self._notable):
            return ""
        which = "later runs of the search" if self._used else "each run of the search"
        return f"{which} started the script from its first line, because {self._reason}"


NO_FORKS = Forks(allowed=False)

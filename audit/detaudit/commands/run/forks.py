"""Whether the search may take its trials from a nest of the user's program, and why not."""


class Forks:
    """``reason`` says why no nest is used, as what "it" does: the script."""

    def __init__(self, reason: str = "") -> None:
        self._reason = reason
        self._wanted = False

    def usable(self) -> bool:
        """Whether a trial that may be forked is, if there is a point at which the program can."""
        return not self._reason

    def drop(self, reason: str) -> None:
        """Run such trials in fresh processes from now on. The first ``reason`` is reported."""
        self._reason = self._reason or reason

    def want(self) -> None:
        """Note that there is a trial that may be forked."""
        self._wanted = True

    def note(self) -> str:
        """Return why the nest was not used, or was dropped; empty if it was used throughout, or
        never wanted.
        """
        if not self._wanted or not self._reason:
            return ""
        return (
            f"each run of the search started the script from its first line, because {self._reason}"
        )


#: Of a case whose runs are not to be forked.
NO_FORKS = Forks("no run was to be forked")

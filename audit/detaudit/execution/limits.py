"""The limits of an audit: processes at a time, seconds, runs."""

import re
from dataclasses import dataclass

from detaudit.errors import UsageError

#: Maximum seconds of one built-in trial, and of one run of a user's program.
TRIAL_SECONDS, RUN_SECONDS = 300.0, 3600.0
#: The units of a budget, in seconds.
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Limits:
    """``jobs`` processes at a time; seconds of wall time for one trial and, or None, for the whole
    audit; at ``most`` this many trials.
    """

    jobs: int = 2
    timeout: float = TRIAL_SECONDS
    budget: float | None = None
    most: int | None = None


def parse_budget(given: str | None) -> tuple[float | None, int | None]:
    """Return ``--budget`` as (seconds, runs), one of them None. Raises UsageError."""
    if given is None:
        return None, None
    match = re.fullmatch(r"(?P<time>\d+(?:\.\d+)?)(?P<unit>[smh]?)|(?P<runs>\d+)runs?", given)
    if match is not None and int(match["runs"] or 0):
        return None, int(match["runs"])
    if match is not None and float(match["time"] or 0):
        return float(match["time"]) * _UNITS[match["unit"]], None
    raise UsageError(
        f"--budget takes seconds (600), minutes (10m), hours (2h) or a number of runs (40runs), "
        f"not {given!r}."
    )


def check_budget(given: str | None) -> str | None:
    """Return ``--budget`` as it was given. Raises UsageError."""
    parse_budget(given)
    return given

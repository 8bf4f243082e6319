"""Seconds in everyday words: exact if short, rounded if long."""

_MINUTE, _HOUR = 60, 3600


def duration(seconds: float) -> str:
    """Return ``4 s``, ``50 s``, ``1 minute``, ``12 minutes`` or ``1.5 hours``."""
    if seconds < 10:
        return f"{max(1, round(seconds))} s"
    if seconds < 55:
        return f"{round(seconds, -1) if seconds >= 20 else round(seconds):.0f} s"
    minutes = round(seconds / _MINUTE)
    if minutes < 90:
        return f"{minutes} minute{'s' if minutes > 1 else ''}"
    return f"{seconds / _HOUR:.1f} hours"

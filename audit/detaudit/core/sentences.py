"""Parts of sentences that messages and reports share."""

from collections.abc import Sequence


def listed(names: Sequence[str], most: int = 12) -> str:
    """Return names in one line, the first ``most`` of them."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def number(count: int, noun: str, plural: str = "") -> str:
    """Return ``1 run``, ``2,000 runs``."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"

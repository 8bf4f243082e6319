"""Parts of sentences that messages and reports share."""

from collections.abc import Sequence


def listed(names: Sequence[str], most: int = 12) -> str:
    """Return names in one line, the first ``most`` of them."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def number(count: int, noun: str, plural: str = "") -> str:
    """Return ``1 run``, ``2,000 runs``."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def capitalized(clause: str) -> str:
    """Return a clause as the beginning of a sentence; only its first letter changes."""
    return f"{clause[:1].upper()}{clause[1:]}"


def differ(count: int) -> str:
    """Return the verb after so many things: ``1 pair differs``, ``2 pairs differ``."""
    return "differs" if count == 1 else "differ"


def share(count: int, total: int, noun: str = "pair") -> str:
    """Return ``2 of 5 pairs differ``; ``1 of 1 pair differs``: the total decides the number."""
    return f"{count:,} of {number(total, noun)} {differ(1 if total == 1 else count)}"

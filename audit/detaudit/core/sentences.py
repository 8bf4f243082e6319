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
    """A clause as the beginning of a sentence; what follows its first letter stays as it is."""
    return f"{clause[:1].upper()}{clause[1:]}"


def differ(count: int) -> str:
    """The verb after so many things: ``1 of 5 pairs differs``, ``2 of 5 pairs differ``."""
    return "differs" if count == 1 else "differ"


def share(count: int, total: int, noun: str = "pair") -> str:
    """``2 of 5 pairs differ``, ``1 of 1,024 elements differs``."""
    return f"{count:,} of {number(total, noun)} {differ(1 if total == 1 else count)}"

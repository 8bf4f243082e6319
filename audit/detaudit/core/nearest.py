"""Suggestions for a mistyped name."""

import difflib
from collections.abc import Iterable

_ALIKE = 0.6  # difflib's ratio: less is too different
_LEAST = 3  # characters that a name must share with a longer one


def nearest(name: str, known: Iterable[str], most: int = 1) -> list[str]:
    """Return at most ``most`` of the ``known`` names, the nearest first; none if none is near.

    Case is ignored, and ``_`` equals ``-``.
    """
    by_plain = {_plain(candidate): candidate for candidate in known}
    wanted = _plain(name)
    plain_names = difflib.get_close_matches(wanted, by_plain, most, _ALIKE)
    if len(wanted) >= _LEAST:
        plain_names += [plain for plain in by_plain if wanted in plain]
    return [by_plain[plain] for plain in dict.fromkeys(plain_names)][:most]


def did_you_mean(name: str, known: Iterable[str], most: int = 1) -> str:
    """Return the question with the suggestion, after a blank; empty if no known name is near."""
    near = nearest(name, known, most)
    return f" Did you mean {', '.join(near)}?" if near else ""


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")

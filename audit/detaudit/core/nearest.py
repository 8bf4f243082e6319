"""The names that somebody may have meant who typed another one."""

import difflib
from collections.abc import Iterable

_ALIKE = 0.6  # of difflib's ratio: less is far off
_LEAST = 3  # characters that a name must have in common with a longer one


def nearest(name: str, known: Iterable[str], most: int = 1) -> list[str]:
    """At most ``most`` of the ``known`` names, the nearest first; nothing where none is near.
    Capitals do not matter, nor does ``_`` for ``-``.
    """
    by_plain = {_plain(one): one for one in known}
    wanted = _plain(name)
    alike = difflib.get_close_matches(wanted, by_plain, most, _ALIKE)
    longer = [one for one in by_plain if len(wanted) >= _LEAST and wanted in one]
    return [by_plain[one] for one in dict.fromkeys([*alike, *longer])][:most]


def did_you_mean(name: str, known: Iterable[str], most: int = 1) -> str:
    """The question, with a blank before it; nothing where no known name is near."""
    near = nearest(name, known, most)
    return f" Did you mean {', '.join(near)}?" if near else ""


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")

"""Reads a report, which may be somebody else's file: bounded, validated, and upgraded in a chain.

Whatever the file contains, the result is a report of this version or ``ReportUnreadable`` with one
sentence.
"""

import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from detaudit import __version__
from detaudit.core.files import read_most
from detaudit.errors import ReportUnreadable
from detaudit.report.escape import visible
from detaudit.report.schema import v1

LARGEST = 20_000_000  # bytes; a full audit's report has about one million
DEEPEST = 32  # nested objects and lists; a report has at most 20

Upgrade = Callable[[dict[str, Any]], dict[str, Any]]

#: ``UPGRADES[n - 1]`` makes a document of version n + 1 from one of version n.
UPGRADES: tuple[Upgrade, ...] = ()

_HINT = "Give a file that detaudit wrote with --json."


class _Head(msgspec.Struct):
    """The fields that identify the format and the version, which are checked first."""

    format: str
    version: v1.Version


def load(path: str | Path) -> v1.Document:
    """Return the report in ``path``. Raises ReportUnreadable, with what happened and what to do."""
    return decode(_content(Path(path)), visible(str(path)))


def decode(content: bytes, name: str) -> v1.Document:
    """Return the report in ``content``, the bytes of the file ``name``. Raises ReportUnreadable."""
    version = _version(content, name)
    try:
        if version == v1.VERSION:
            report = msgspec.json.decode(content, type=v1.AnyReport)
        else:
            report = msgspec.convert(upgraded(msgspec.json.decode(content), UPGRADES), v1.AnyReport)
    except RecursionError:
        raise ReportUnreadable(_too_deep(name)) from None
    except (ValueError, TypeError, LookupError) as error:
        raise ReportUnreadable(
            f"{name} says that it is a report of version {version}, but it is damaged: "
            f"{_sentence(error)} Ask for the file again, or scan again."
        ) from None
    if _depth(report) > DEEPEST:
        raise ReportUnreadable(_too_deep(name))
    return report


def upgraded(document: dict[str, Any], upgrades: Sequence[Upgrade]) -> dict[str, Any]:
    """Return ``document``, upgraded step by step from its version to the one that the last upgrade
    returns.
    """
    for upgrade in upgrades[document["version"] - 1 :]:
        document = upgrade(document)
    return document


def _content(path: Path) -> bytes:
    name = visible(str(path))
    try:
        content = read_most(path, LARGEST + 1)
    except (OSError, ValueError) as error:
        said = (error.strerror if isinstance(error, OSError) else None) or error
        raise ReportUnreadable(f"Cannot read {name}: {said}. {_HINT}") from None
    if len(content) > LARGEST:
        raise ReportUnreadable(
            f"{name} is {_size(path)}; detaudit reads reports of at most {LARGEST // 10**6} MB. "
            f"{_HINT}"
        )
    if not content:
        raise ReportUnreadable(f"{name} is empty. {_HINT}")
    return content


def _size(path: Path) -> str:
    found = path.stat()
    return (
        f"{found.st_size / 1e6:,.0f} MB large"
        if stat.S_ISREG(found.st_mode)
        else "not a file that ends"
    )


def _version(content: bytes, name: str) -> int:
    """Return the version of the document, which this detaudit can read."""
    try:
        head = msgspec.json.decode(content, type=_Head)
    except RecursionError:
        raise ReportUnreadable(_too_deep(name)) from None
    except msgspec.ValidationError:
        raise ReportUnreadable(
            f"{name} is JSON, but not a detaudit report: it does not begin with a format and a "
            f"version. {_HINT}"
        ) from None
    except (ValueError, TypeError) as error:
        raise ReportUnreadable(_not_json(content, name, error)) from None
    if head.format != v1.FORMAT:
        raise ReportUnreadable(
            f"{name} is a {visible(head.format[:60])!r}, not a {v1.FORMAT!r}. {_HINT}"
        )
    if head.version > v1.VERSION:
        raise ReportUnreadable(
            f"{name} was written by a newer detaudit: report version {head.version}, and this one, "
            f"{__version__}, reads up to {v1.VERSION}. Upgrade detaudit to read it."
        )
    return head.version


def _not_json(content: bytes, name: str, error: Exception) -> str:
    if "truncated" in str(error):
        return f"{name} ends in the middle, after {len(content):,} bytes: it is truncated. Copy it again."
    return f"{name} is not JSON ({_sentence(error)[:-1]}). {_HINT}"


def _sentence(error: Exception) -> str:
    return visible(str(error)[:300]).rstrip(".") + "."


def _too_deep(name: str) -> str:
    return f"{name} is nested more than {DEEPEST} deep: no report is. {_HINT}"


def _depth(report: v1.Document) -> int:
    """Check how deeply parts without a fixed shape are nested. Everything else is as deep as the
    schema.
    """
    facts = [
        report.machine,
        report.environment,
        report.options,
        report.notes,
        *(one.options for one in report.conditions),
    ]
    depth, level = 1, [one for one in facts if one]
    while level:
        depth += 1
        inner = [
            one for whole in level for one in (whole.values() if isinstance(whole, dict) else whole)
        ]
        level = [one for one in inner if isinstance(one, (dict, list)) and one]
    return depth

"""The user's own secrets by their values: the values of secret variables and arguments are masked
wherever they appear.
"""

import base64
import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import quote

from detaudit.machine.secrets.forms import MARK, blank
from detaudit.machine.secrets.names import says_secret

#: A shorter value would be found by chance inside something else.
SHORTEST = 5
#: From this length on, a value is also searched for inside longer words.
_INSIDE = 8
_LEAST_CUT = 4  # characters of a secret that was cut at the end of a text
#: Variables that name the person: e-mail addresses, and names as git uses them.
_PERSONAL = re.compile(r"(?:.*_)?E?MAIL(?:_.*)?|GIT_(?:AUTHOR|COMMITTER)_NAME")
_PATH = re.compile(r"(?:~|\.{0,2})/[\w.@/-]+|[A-Za-z]:\\.*")
#: Words that reports consist of: hiding them would hide the report.
_OURS = frozenset(
    [
        "tensorflow",
        "keras",
        "torch",
        "pytorch",
        "theano",
        "numpy",
        "python",
        "linux",
        "docker",
        "localhost",
        "default",
        "train",
        "training",
        "model",
        "batch",
        "kernel",
        "update",
        "gradient",
        "forward",
        "output",
        "metric",
        "loss",
        "data",
        "init",
        "reproducible",
        "broken",
        "error",
        "skipped",
        "varies",
        "pinned",
        "source",
        "report",
        "detaudit",
        "secret",
        "password",
        "token",
        "string",
        "false",
    ]
)


def collect(environment: Mapping[str, str], arguments: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the values of variables and options whose names indicate a secret, the longest
    first.
    """
    personal = [value for name, value in environment.items() if _PERSONAL.fullmatch(name)]
    secrets = [value for name, value in environment.items() if says_secret(name)]
    secrets += _secret_arguments(arguments)
    spellings: set[str] = set()
    for value in (*personal, *(secret for secret in secrets if not _is_harmless(secret))):
        spellings |= _spellings(value.strip())
    masked = (text for text in spellings if len(text) >= SHORTEST and text.lower() not in _OURS)
    return tuple(sorted(masked, key=lambda text: (-len(text), text)))


def mask_values(text: str, values: Iterable[str]) -> str:
    """Return ``text`` without any of ``values``, and without the rest of one that was cut at its
    end.
    """
    for value in values:
        if value in text:
            text = _pattern(value).sub(lambda match: blank(match[0]), text)
        text = _mask_cut_value(text, value)
    return text


def _secret_arguments(arguments: Sequence[str]) -> Iterator[str]:
    """Return the values of options whose names indicate a secret: ``--password x``,
    ``--password=x``, ``password=x``.
    """
    for place, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if not says_secret(name.lstrip("-+")):
            continue
        if equals:
            yield value
        elif name.startswith("-") and place + 1 < len(arguments):
            yield arguments[place + 1]


def _is_harmless(value: str) -> bool:
    """Whether it is a path to where a secret is kept, or a switch."""
    return bool(_PATH.fullmatch(value)) or value.lower() in ("true", "false", "none", "")


def _spellings(value: str) -> set[str]:
    """Return the forms of a value in a text: unchanged, escaped, line by line, in a URL, in
    base64.
    """
    lines = [line.strip() for line in value.splitlines() if len(line.strip()) >= _INSIDE]
    return {
        value,
        " ".join(value.split()),
        repr(value)[1:-1],
        json.dumps(value)[1:-1],
        shlex.quote(value).strip("'"),
        quote(value, safe=""),
        base64.b64encode(value.encode("utf-8", "surrogateescape")).decode().rstrip("="),
        *lines,
    }


def _pattern(value: str) -> re.Pattern[str]:
    if len(value) >= _INSIDE:
        return re.compile(re.escape(value))
    return re.compile(rf"(?<![A-Za-z0-9]){re.escape(value)}(?![A-Za-z0-9])")


def _mask_cut_value(text: str, value: str) -> str:
    """Return ``text`` without the beginning of ``value`` before the ellipsis of a text that was
    cut.
    """
    shown = text.removesuffix("\u2026")
    if shown == text:
        return text
    for length in range(min(len(value) - 1, len(shown)), _LEAST_CUT - 1, -1):
        if shown.endswith(value[:length]):
            return shown[:-length] + MARK + text[len(shown) :]
    return text

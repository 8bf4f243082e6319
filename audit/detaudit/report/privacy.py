"""The privacy of reports: secrets are masked, paths shortened, host names removed, only listed
variables recorded, lengths bounded.
"""

import math
import os
import re
import socket
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import PurePath
from typing import Any

from detaudit.machine import variables
from detaudit.machine.secrets import forms, names, values
from detaudit.report.schema.v1 import LARGEST, NAME, TEXT

#: Keys of facts that would name a machine or a person.
PRIVATE_KEYS = frozenset(
    {"host", "hostname", "node", "nodename", "fqdn", "user", "username", "login", "email", "home"}
)

# A host whose name is one of our own words is not a secret, and hiding it would garble every
# sentence.
_NO_SECRET = frozenset(
    {"localhost", "cpu", "gpu", "tensorflow", "keras", "python", "linux", "docker", "none", "root"}
)
_DEEPEST = 12
_CUT = "\u2026"
_OPTION = re.compile(r"--?[A-Za-z][\w-]*")


@dataclass(frozen=True)
class Private:
    """What is hidden: everything that looks like a secret, and ``secrets`` by their values; a home
    folder becomes ``~``, the folder for temporary files ``<tmp>``; the host's name is removed.

    ``listed`` are variables that may be recorded in addition to those on ``environment``'s lists.
    """

    home: str = ""
    temporary: str = ""
    host: str = ""
    listed: Collection[str] = ()
    secrets: tuple[str, ...] = ()

    @classmethod
    def of_here(cls, listed: Collection[str] = (), arguments: Sequence[str] = ()) -> "Private":
        """Return the private values of this process and its environment. ``arguments`` are those of
        a user's program.
        """
        return cls(
            os.path.expanduser("~"),
            tempfile.gettempdir(),
            socket.gethostname(),
            listed,
            values.collect(os.environ, arguments),
        )

    def text(self, value: object, longest: int = TEXT) -> str:
        """Return ``value`` as text that may be in a report: at most ``longest`` characters, all
        encodable.
        """
        # Masked before it is cut: half a secret would not be recognized
        return _cut(self._redacted(_cut(str(value), 4 * longest)), longest)

    def texts(self, lines: Iterable[object], longest: int = TEXT) -> list[str]:
        """Return :meth:`text` of lines that belong together, because a secret may extend over
        several of them.
        """
        given = [_cut(str(line), 4 * longest) for line in lines]
        given = [_as_value(before, line) for before, line in zip(["", *given], given, strict=False)]
        redacted = self._redacted("\n".join(given)).split("\n")
        ends = list(accumulate(line.count("\n") + 1 for line in given))
        whole = [
            "\n".join(redacted[start:end]) for start, end in zip([0, *ends], ends, strict=False)
        ]
        return [_cut(line, longest) for line in whole]

    def named(self, name: str, value: object, longest: int = TEXT) -> str:
        """Return :meth:`text` of a value called ``name``, which may indicate a secret."""
        return self.text(forms.mask_named(name, str(value)), longest)

    def ending(self, text: str, longest: int = TEXT) -> str:
        """Return the last whole lines of ``text``, redacted."""
        redacted = self._redacted(text)
        if len(redacted) <= longest:
            return redacted
        return redacted[-longest:].partition("\n")[2]

    def name(self, value: object) -> str:
        return self.text(value, NAME)

    def _redacted(self, text: str) -> str:
        """Return ``text`` with private parts replaced; line breaks are unchanged."""
        shown = text.encode("utf-8", "replace").decode("utf-8")
        shown = forms.mask(values.mask_values(shown, self.secrets))
        shown = variables.shorten(shown, self.home, self.temporary)
        # The whole name first, so that nothing of its domain remains
        for host in (self.host, self.host.partition(".")[0]):
            if _is_private(host):
                shown = re.sub(rf"(?<![\w-]){re.escape(host)}(?![\w-])", "<host>", shown)
        return self._without_user(shown)

    def _without_user(self, text: str) -> str:
        """Return ``text`` without the user's name, where it is used as one: a name may also be a
        word, such as ``adam``.
        """
        user = PurePath(self.home).name
        if not _is_private(user) or user not in text:
            return text
        name = re.escape(user)
        text = re.sub(rf"(?<![\w.-]){name}(?=@[\w<-])", "<user>", text)
        labelled = rf"(?i)(\b(?:user|user_?name|login|owner|uid=\d+)[^\w\n]{{1,3}}){name}\b"
        return re.sub(labelled, r"\1<user>", text)

    def facts(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``found`` without private keys and unlisted variables, as JSON values."""
        kept = {
            self.name(key): value
            for key, value in found.items()
            if str(key).lower() not in PRIVATE_KEYS
        }
        if isinstance(kept.get("variables"), Mapping):
            kept["variables"] = self._variables(kept["variables"])
        return {key: self._named_fact(key, value, 1) for key, value in kept.items()}

    def _variables(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Values by name; a nested mapping or list, for example of omitted names, is not a
        value.
        """
        return {
            name: self._variables(value) if isinstance(value, Mapping) else value
            for name, value in found.items()
            if not isinstance(value, str) or variables.is_listed(name) or name in self.listed
        }

    def _named_fact(self, name: str, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self.named(name, value)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if is_number and names.says_secret(name):
            return forms.MARK
        return self._fact(value, depth)

    def _fact(self, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int) and abs(value) <= LARGEST:
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else None
        if depth < _DEEPEST and isinstance(value, Mapping):
            return {
                self.name(key): self._named_fact(str(key), one, depth + 1)
                for key, one in value.items()
                if str(key).lower() not in PRIVATE_KEYS
            }
        if depth < _DEEPEST and isinstance(value, (list, tuple, set, frozenset)):
            ordered = sorted(value, key=str) if isinstance(value, (set, frozenset)) else value
            if all(isinstance(one, str) for one in ordered):
                return self.texts(ordered)
            return [self._fact(one, depth + 1) for one in ordered]
        return self.text(value)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + _CUT


def _is_private(name: str) -> bool:
    """Whether a host's or a user's name can be hidden without hiding a word of the report."""
    return len(name) > 2 and name.lower() not in _NO_SECRET


def _as_value(before: str, line: str) -> str:
    """A line after an option such as ``--password`` is its value."""
    return forms.mask_named(before, line) if _OPTION.fullmatch(before) else line

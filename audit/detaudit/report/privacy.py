"""What a report may say: paths shortened, host names left out, only listed variables, lengths
bounded.
"""

import math
import os
import re
import socket
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from detaudit.machine import variables
from detaudit.report.schema.v1 import LARGEST, NAME, TEXT

#: Keys of facts that would name a machine or a person.
PRIVATE_KEYS = frozenset(
    {"host", "hostname", "node", "nodename", "fqdn", "user", "username", "login", "email", "home"}
)

# A host that bears one of our own words is no secret, and hiding it would garble every sentence.
_NO_SECRET = frozenset(
    {"localhost", "cpu", "gpu", "tensorflow", "keras", "python", "linux", "docker", "none"}
)
_DEEPEST = 12


@dataclass(frozen=True)
class Private:
    """What is hidden: a home folder as ``~``, the folder for temporary files as ``<tmp>``, the
    host's name.

    ``listed`` are variables that may be recorded besides those on ``environment``'s lists.
    """

    home: str = ""
    temporary: str = ""
    host: str = ""
    listed: Collection[str] = ()

    @classmethod
    def of_here(cls, listed: Collection[str] = ()) -> "Private":
        return cls(os.path.expanduser("~"), tempfile.gettempdir(), socket.gethostname(), listed)

    def text(self, value: object, longest: int = TEXT) -> str:
        """``value`` as text that may stand in a report: at most ``longest`` characters, all
        encodable.
        """
        shown = str(value)[: 4 * longest].encode("utf-8", "replace").decode("utf-8")
        shown = variables.shorten(shown, self.home, self.temporary)
        # The whole name first: none of its domain is left
        for host in (
            self.host,
            self.host.partition(".")[0],
        ):
            if len(host) > 2 and host.lower() not in _NO_SECRET:
                shown = re.sub(rf"(?<![\w-]){re.escape(host)}(?![\w-])", "<host>", shown)
        return shown if len(shown) <= longest else shown[: longest - 1] + "\u2026"

    def name(self, value: object) -> str:
        return self.text(value, NAME)

    def facts(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """``found`` without private keys and unlisted variables, as values that JSON has."""
        kept = {
            self.name(key): value
            for key, value in found.items()
            if str(key).lower() not in PRIVATE_KEYS
        }
        if isinstance(kept.get("variables"), Mapping):
            kept["variables"] = self._variables(kept["variables"])
        return {key: self._fact(value, 1) for key, value in kept.items()}

    def _variables(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Values by name; a nested mapping or list, such as of names left out, is no value."""
        return {
            name: self._variables(value) if isinstance(value, Mapping) else value
            for name, value in found.items()
            if not isinstance(value, str) or variables.is_listed(name) or name in self.listed
        }

    def _fact(self, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int) and abs(value) <= LARGEST:
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else None
        if depth < _DEEPEST and isinstance(value, Mapping):
            return {
                self.name(key): self._fact(one, depth + 1)
                for key, one in value.items()
                if str(key).lower() not in PRIVATE_KEYS
            }
        if depth < _DEEPEST and isinstance(value, (list, tuple, set, frozenset)):
            ordered = sorted(value, key=str) if isinstance(value, (set, frozenset)) else value
            return [self._fact(one, depth + 1) for one in ordered]
        return self.text(value)

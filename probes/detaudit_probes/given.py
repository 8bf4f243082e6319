"""What a source's functions receive, in a probe's trial and in a user's own process alike."""

import os
import random
from typing import Any, Dict, Optional, Set

from detaudit_probes.protocol import Request, Value

# Taken at import, before any pin replaces it: an unpinned generator is reseeded from real entropy,
# as in a new process, whatever else is pinned.
_urandom = os.urandom


class Unavailable(Exception):
    """The source cannot be tried or exercised here; the message is the reason. Not a failure."""


class Given:
    """A trial's request with its settings and orders, the sources that its pins cover, and
    ``counts``: how often each source was used, by id.
    """

    def __init__(self, request: Request, folder: str, pinned: Set[str]) -> None:
        self.request = request
        self.folder = folder
        self.settings, self.orders = request.settings, request.orders
        self.seed = request.seed
        self.draw = request.draw
        self.counts: Dict[str, Any] = {}
        self._pinned = pinned

    def is_pinned(self, source: str) -> bool:
        """Whether a pin of this trial's condition covers ``source``."""
        return source in self._pinned

    def own_setting(self, source: str) -> Optional[Value]:
        """Return the value that a setting of ``source`` gives it, or None."""
        return dict(self.settings.own).get(source)

    def count(self, source: str, number: int = 1) -> None:
        self.counts[source] = self.counts.get(source, 0) + number

    def entropy(self, size: int) -> int:
        """Return ``size`` bytes from the operating system as an integer, never from a pinned
        replacement.
        """
        return int.from_bytes(_urandom(size), "little")

    def stranger(self) -> random.Random:
        """Return a generator that depends only on the trial's ``draw``, for orders that are
        provoked.
        """
        return random.Random(self.draw)

"""What a source's functions are given: the trial they act on."""
import os
import random
from typing import Any, Dict, List, NamedTuple, Set

from detaudit_probes import recorder
from detaudit_probes.protocol import Request

# Taken at import, before any pin replaces it: a loosened generator is reseeded from real entropy,
# as a fresh process would be, whatever is pinned beside it.
_urandom = os.urandom


class Unavailable(Exception):
    """The source cannot be tried or exercised here; the message is the reason. Not a failure."""


class Fitted(NamedTuple):
    """What one ``fit`` of the trial trained, and in how many epochs it shuffled the rows of arrays."""

    model: Any
    shuffled_epochs: int


class Trial:
    """One trial in the guest: its request, its folder, its backend, and what is held.

    ``folder`` is private to the trial. ``counts`` is where a source's own code leaves what it saw
    (draws, threads, orders), for its ``see``; ``fitted`` is what was trained, in order.
    """

    def __init__(self, request: Request, folder: str, backend: Any, held: Set[str]) -> None:
        self.request = request
        self.folder = folder
        self.backend = backend
        self.seed = request.seed
        self.draw = request.draw
        self.counts: Dict[str, Any] = {}
        self.fitted: List[Fitted] = []
        self._held = held
        self._before: Dict[str, Any] = {}

    def holds(self, source: str) -> bool:
        """Whether a pin of this trial's condition holds ``source``."""
        return source in self._held

    def option(self, name: str, default: Any = None) -> Any:
        """A setting of the training, such as ``optimizer`` or ``intra_op_threads``."""
        return self.request.options.get(name, default)

    def count(self, source: str, number: int = 1) -> None:
        self.counts[source] = self.counts.get(source, 0) + number

    def remember_generators(self) -> None:
        """Take the generators' states as those before the training, for :meth:`moved`."""
        self._before = dict(recorder.generator_states(self.backend))

    def moved(self, generator: str) -> int:
        """1 where the generator (``random``, ``numpy``, ``tensorflow``, ``keras``) was drawn from, else 0."""
        now = dict(recorder.generator_states(self.backend))
        return int(now.get(generator) != self._before.get(generator))

    def entropy(self, size: int) -> int:
        """``size`` bytes from the operating system as an integer, never from a pinned stand-in."""
        return int.from_bytes(_urandom(size), "little")

    def stranger(self) -> random.Random:
        """A generator that depends on nothing but the trial's ``draw``: for orders that are provoked."""
        return random.Random(self.draw)

"""What a source's functions are given: the trial they act on."""

from typing import Any, Dict, List, Set

from detaudit_probes.backends import generators
from detaudit_probes.given import Given
from detaudit_probes.kit.training import Fitted
from detaudit_probes.protocol import Request


class Trial(Given):
    """One trial in the guest: its request, its folder, its backend, and what is held.

    ``folder`` is private to the trial. ``counts`` is where a source's own code leaves what it saw
    (draws, threads, orders), for its ``see``; ``fitted`` is what was trained, in order.
    """

    def __init__(self, request: Request, folder: str, backend: Any, pinned: Set[str]) -> None:
        super().__init__(request, folder, pinned)
        self.backend = backend
        self.fitted: List[Fitted] = []
        self._before: Dict[str, Any] = {}

    def remember_generators(self) -> None:
        """Take the generators' states as those before the training, for :meth:`moved`."""
        self._before = dict(generators.generator_states(self.backend))

    def moved(self, generator: str) -> int:
        """1 where the generator (``random``, ``numpy``, ``tensorflow``, ``keras``) was drawn from,
        else 0.
        """
        now = dict(generators.generator_states(self.backend))
        return int(now.get(generator) != self._before.get(generator))

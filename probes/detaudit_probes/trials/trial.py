"""The trial that a source's functions receive."""

from typing import Any, Dict, List, Set

from detaudit_probes.backends import generators
from detaudit_probes.given import Given
from detaudit_probes.kit.training import Fitted
from detaudit_probes.protocol import Request


class Trial(Given):
    """One trial in the guest: its request, folder and backend, and the sources that its pins cover.

    ``folder`` is private to the trial. A source's own code stores what it counted (draws, threads,
    orders) in ``counts``, for its ``count_uses``; ``fitted`` is what was trained, in order.
    """

    def __init__(self, request: Request, folder: str, backend: Any, pinned: Set[str]) -> None:
        super().__init__(request, folder, pinned)
        self.backend = backend
        self.fitted: List[Fitted] = []
        self._before: Dict[str, Any] = {}

    def remember_generators(self) -> None:
        """Store the generators' states before the training, for :meth:`moved`."""
        self._before = dict(generators.generator_states(self.backend))

    def moved(self, generator: str) -> int:
        """Return 1 if the generator (``random``, ``numpy``, ``tensorflow``, ``keras``) was drawn
        from, else 0.
        """
        now = dict(generators.generator_states(self.backend))
        return int(now.get(generator) != self._before.get(generator))

"""What the observers of all frameworks share: the events of a step, and the owner of an
operation.
"""

import sys
from typing import Any, Callable, List, Sequence, Tuple

from detaudit_probes.ops.event import Event
from detaudit_probes.recording.fingerprint import Hasher

_DEEPEST = 100  # frames searched for the user's line


class OperationRecorder:
    """Collects the events of operations that are executed while it observes.

    ``users`` says whether a file is the user's; ``variables`` are the existing variables (name, the
    framework's variable). :mod:`detaudit_probes.ops.places` sets ``stage`` and ``layers``.
    """

    def __init__(
        self,
        hasher: Hasher,
        users: Callable[[str], bool] = lambda name: False,
        variables: Callable[[], Sequence[Tuple[str, Any]]] = lambda: (),
    ) -> None:
        self.events: List[Event] = []
        self.detailed = True  # false: only fingerprints, for a replay of known operations
        self.stage = "forward"
        self.layers: List[str] = []
        self.failed = ""  # why observing has stopped
        self._hash, self._users, self._variables = hasher, users, variables

    def begin(self) -> None:
        """Forget all events; take the present state of the variables."""
        self.events, self.failed = [], ""

    @property
    def layer(self) -> str:
        return self.layers[-1] if self.layers else ""

    def place(self) -> str:
        """Return the user's line that is being executed, as ``file:number``."""
        frame: Any = sys._getframe(1)
        for _ in range(_DEEPEST):
            if frame is None:
                return ""
            if self._users(frame.f_code.co_filename):
                return "%s:%d" % (frame.f_code.co_filename, frame.f_lineno)
            frame = frame.f_back
        return ""

"""What every framework's watch has in common: the events of a step, and for whom an operation
works.
"""

import sys
from typing import Any, Callable, List, Sequence, Tuple

from detaudit_probes.ops.event import Event
from detaudit_probes.recording.fingerprint import Hasher

_DEEPEST = 100  # frames that are looked at for the user's line


class OperationRecorder:
    """Collects the events of what is executed while it watches.

    ``users`` tells whether a file is the user's, ``variables`` (name, the framework's variable)
    what is there. ``stage`` and ``layers`` are set by who knows them
    (:mod:`detaudit_probes.ops.places`).
    """

    def __init__(
        self,
        hasher: Hasher,
        users: Callable[[str], bool] = lambda name: False,
        variables: Callable[[], Sequence[Tuple[str, Any]]] = lambda: (),
    ) -> None:
        self.events: List[Event] = []
        self.detailed = True  # false: the fingerprints alone, for a replay of what is known already
        self.stage = "forward"
        self.layers: List[str] = []
        self.failed = ""  # why no more is watched
        self._hash, self._users, self._variables = hasher, users, variables

    def begin(self) -> None:
        """Forget what was seen; take the state of the variables as it is."""
        self.events, self.failed = [], ""

    @property
    def layer(self) -> str:
        return self.layers[-1] if self.layers else ""

    def place(self) -> str:
        """The user's line that is being executed, as ``file:number``."""
        frame: Any = sys._getframe(1)
        for _ in range(_DEEPEST):
            if frame is None:
                return ""
            if self._users(frame.f_code.co_filename):
                return "%s:%d" % (frame.f_code.co_filename, frame.f_lineno)
            frame = frame.f_back
        return ""

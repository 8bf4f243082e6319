"""Which threads of a script train: one after the other, or side by side, where the order of steps
is the machine's.
"""

import threading
import weakref
from typing import Any


class _Here(threading.local):
    """Of one thread: how many steps it has made, and what Python calls it (None: no thread of
    Python's).
    """

    steps = 0
    thread: Any = None


class Threads:
    def __init__(self) -> None:
        self._here = _Here()
        self._last: Any = None  # a weak reference to the thread that has made the last step

    @property
    def steps(self) -> int:
        """How many steps this thread has made."""
        return self._here.steps

    def step(self) -> bool:
        """A step of this thread's; whether another that trains goes on meanwhile. The main thread
        may be waiting for one that begins to train; no other thread is.
        """
        here = self._here
        if not here.steps:
            here.thread = next(
                (one for one in threading.enumerate() if one.ident == threading.get_ident()), None
            )
        last = self._last() if self._last is not None else None
        waiting = last is threading.main_thread() and not here.steps
        here.steps += 1
        if here.thread is not None:
            self._last = weakref.ref(here.thread)
        return (
            None not in (here.thread, last)
            and last is not here.thread
            and last.is_alive()
            and not waiting
        )

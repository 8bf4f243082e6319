"""Which threads of a script train: one after another, or at the same time, so that the order of
steps varies.
"""

import threading
import weakref
from typing import Any


class _Here(threading.local):
    """Per thread: the number of its steps, and its Python thread object (None: not one of Python's
    threads).
    """

    steps = 0
    thread: Any = None


class Threads:
    def __init__(self) -> None:
        self._here = _Here()
        self._last: Any = None  # a weak reference to the thread of the last step

    @property
    def steps(self) -> int:
        """Return how many steps this thread has made."""
        return self._here.steps

    def step(self) -> bool:
        """Count a step of this thread; return whether another training thread is still running. The
        main thread may be waiting for one that begins to train; no other thread is.
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

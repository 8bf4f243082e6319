"""A few threads that share work that releases the interpreter's lock, such as digesting large
buffers.

This is not a ``ThreadPoolExecutor``, because the work happens in the middle of a user's training
step: nothing may be imported, no thread may appear among the script's own, and each handover costs
time. Digesting 25 MB on one of two cores while the other one was idle made a step of 30 ms half as
long again, far more than the 3 ms that the digest takes, because the idle core is given away and
comes back late. Shared by two threads, it costs about 4 % (tests/bench/watch.py).
"""

import _thread
import os
from typing import Any, Callable, List, Sequence, Tuple

from detaudit_probes.recording import facts

#: More threads do not help: memory is the limit.
MOST = 4

# Taken before a pin can replace them
_allocate, _start = (
    _thread.allocate_lock,
    _thread.start_new_thread,
)


class _Work:
    """One call's jobs and their results: a late thread writes only into the results of its own
    call.
    """

    def __init__(self, function: Callable[..., Any], jobs: Sequence[Tuple[Any, ...]]) -> None:
        self._function = function
        self._todo = list(enumerate(jobs))
        self._todo.reverse()
        self.found: List[Any] = [None] * len(jobs)
        self.errors: List[BaseException] = []

    def do(self) -> None:
        while True:
            try:
                place, job = self._todo.pop()
            except IndexError:
                return
            try:
                self.found[place] = self._function(*job)
            except BaseException as error:
                self.errors.append(error)


class Team:
    """Threads that are started when there is first something to share. A caller that finds them
    busy works without them.

    If no thread can be started, as when the interpreter ends, and after a call that a signal
    handler has interrupted, the caller does everything itself.
    """

    def __init__(self, members: int) -> None:
        self._members, self._pid, self._free = members, 0, _allocate()
        # Two locks per thread: one to wake it, one to wait until it is done
        self._locks: List[Tuple[Any, Any]] = []
        self._work = _Work(id, ())

    @classmethod
    def of_this_machine(cls) -> "Team":
        return cls(min(facts.cores(), MOST))

    def map(self, function: Callable[..., Any], jobs: Sequence[Tuple[Any, ...]]) -> List[Any]:
        """Return ``function(*job)`` of every job, in their order. An exception of one of them is
        raised here.
        """
        if self._members < 2 or len(jobs) < 2 or not self._free.acquire(False):
            return [function(*job) for job in jobs]
        try:
            return self._shared(_Work(function, jobs))
        finally:
            self._free.release()

    def _shared(self, work: _Work) -> List[Any]:
        self._gather()
        self._work = work
        try:
            for wake, _ in self._locks:
                wake.release()
            work.do()
            for _, done in self._locks:
                done.acquire()
        except BaseException:
            self._members = 1  # it is no longer known which threads are awake and which are done
            raise
        if work.errors:
            raise work.errors[0]
        return work.found

    def _gather(self) -> None:
        """Start the threads; start them again in a forked child, which does not inherit them."""
        if self._pid == os.getpid():
            return
        self._pid, self._locks = os.getpid(), []
        for _ in range(self._members - 1):
            wake, done = _allocate(), _allocate()
            wake.acquire()
            done.acquire()
            try:
                _start(self._serve, (wake, done))
            except RuntimeError:  # too many threads, or the interpreter is ending
                break
            self._locks.append((wake, done))

    def _serve(self, wake: Any, done: Any) -> None:
        while True:
            wake.acquire()
            self._work.do()
            done.release()

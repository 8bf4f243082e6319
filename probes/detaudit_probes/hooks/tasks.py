"""The tasks of worker processes: of pools of :mod:`multiprocessing`, of :mod:`concurrent.futures`
and of joblib.

Which worker takes which task is a race. A generator that the operating system seeds in every worker
is therefore pinned once per task, with the task's number, and not once per process. One that the
program seeds in its workers, or that they inherit, is left alone: then the race itself is the cause
(source process-pool).
"""

import functools
import itertools
import os
import sys
import threading
import zlib
from typing import Any, Callable, Dict, FrozenSet, List, NamedTuple, Optional, Set

from detaudit_probes.hooks.imports import Hooks

_getpid = os.getpid  # taken at import, before a pin can replace it
#: The functions that a worker runs, given the queue of tasks and the queue of results.
LOOPS = (
    ("multiprocessing.pool", "worker"),
    ("concurrent.futures.process", "_process_worker"),
    ("joblib.externals.loky.process_executor", "_process_worker"),
    ("loky.process_executor", "_process_worker"),
)
GENERATORS = ("random", "numpy")


class Task(NamedTuple):
    """A task that begins in this process. ``kept`` are the generators that must not be seeded for
    it, because the program has decided their states.
    """

    number: int  # 32 bits, the same in every run
    kept: FrozenSet[str]


class Tasks:
    """Calls functions with each task that begins in this process, if it is a worker.

    ``drew`` is called with each generator that a task has drawn from. ``fresh`` is whether this
    process was started to be a worker; its forks are workers too.
    """

    def __init__(self, hooks: Hooks, fresh: bool, drew: Callable[[str], None]) -> None:
        self._hooks, self._fresh, self._drew = hooks, fresh, drew
        self._functions: List[Callable[[Task], None]] = []
        self._pid = _getpid()
        self._kept: Set[str] = set()
        self._before: Dict[str, int] = {}  # states of those that no task has drawn from yet
        self._drawn: Set[str] = set()
        self._items = itertools.count()
        #: The number of the task that this process is at; 0 in a process that is no worker.
        self.number = 0

    def call(self, function: Callable[[Task], None]) -> None:
        """Call ``function`` with each task from now on."""
        self._functions.append(function)

    def follow(self) -> None:
        """Begin: recognize the workers and their tasks."""
        for module, name in LOOPS:
            self._hooks.after(module, functools.partial(self._follow_loop, module, name))
        self._hooks.after("joblib.parallel", self._number_items)
        self._notice_seeds("random", sys.modules.get("random"))
        self._hooks.after("numpy", self._numpy_is_imported)

    def begin_worker(self, number: Any) -> None:
        """This process has just become a worker, the parent's ``number``-th. What it draws before
        its first task is drawn as in a task of that number.
        """
        if not self._fresh:
            # Python seeds its own generator again in a fork, from the operating system
            self._kept = {"numpy"}
        self._begin(("process", number))

    def in_worker(self) -> bool:
        """Whether this thread runs the tasks of a worker process."""
        is_worker = self._fresh or _getpid() != self._pid
        return is_worker and threading.current_thread() is threading.main_thread()

    def _begin(self, number: Any) -> None:
        self.number = zlib.crc32(repr(number).encode("utf-8"))
        task = Task(self.number, frozenset(self._kept))
        for function in self._functions:
            function(task)
        self._before = {name: _state(name) for name in GENERATORS if name not in self._drawn}

    def _end(self) -> None:
        """Note what the task has drawn from, of that which no earlier one has."""
        for name, state in self._before.items():
            if _state(name) != state:
                self._drawn.add(name)
                self._drew(name)
        self._before = {}

    def _follow_loop(self, module: str, name: str) -> None:
        owner: Any = sys.modules[module]
        given = getattr(owner, name, None)
        if given is None:
            return

        @functools.wraps(given)
        def loop(tasks: Any, results: Any, *arguments: Any, **named: Any) -> Any:
            if self.in_worker():
                tasks.get = self._beginning(tasks.get)
                results.put = self._ending(results.put)
            return given(tasks, results, *arguments, **named)

        setattr(owner, name, loop)

    def _beginning(self, get: Callable[..., Any]) -> Callable[..., Any]:
        def following(*arguments: Any, **named: Any) -> Any:
            task = get(*arguments, **named)
            number = _number(task)
            if number is not None:
                self._begin(number)
            return task

        return following

    def _ending(self, put: Callable[..., Any]) -> Callable[..., Any]:
        def following(*arguments: Any, **named: Any) -> Any:
            self._end()
            return put(*arguments, **named)

        return following

    def _numpy_is_imported(self) -> None:
        self._notice_seeds("numpy", getattr(sys.modules["numpy"], "random", None))
        if "numpy" in self._before:  # by a task
            self._before["numpy"] = _state("numpy")

    def _notice_seeds(self, generator: str, owner: Any) -> None:
        """Keep the state of a generator that the program seeds before the first task."""
        given = getattr(owner, "seed", None)
        if given is None:
            return

        @functools.wraps(given)
        def seed(*arguments: Any, **named: Any) -> Any:
            caller = str(sys._getframe(1).f_globals.get("__name__"))
            if not caller.startswith("detaudit_probes."):
                self._kept.add(generator)
            return given(*arguments, **named)

        owner.seed = seed

    def _number_items(self) -> None:
        """joblib puts as many items in a task as take a fraction of a second, so each item is a
        task here.
        """
        parallel: Any = sys.modules["joblib.parallel"]
        given = parallel.BatchedCalls.__init__

        @functools.wraps(given)
        def __init__(batch: Any, items: Any, *arguments: Any, **named: Any) -> None:
            given(batch, items, *arguments, **named)
            if not any(isinstance(one[0], Item) for one in batch.items):
                batch.items = [
                    (Item(function, next(self._items)),) + tuple(rest)
                    for function, *rest in batch.items
                ]

        parallel.BatchedCalls.__init__ = __init__


def _state(generator: str) -> int:
    """Return a value that changes if a task draws from a global generator. A pool may have many
    short tasks, so this takes microseconds.
    """
    module: Any = sys.modules.get(generator)
    if generator == "random":
        return hash(module.getstate()) if module is not None else 0
    get_state = getattr(getattr(module, "random", None), "get_state", None)
    if get_state is None:
        return 0
    state = get_state()
    return hash((state[1].tobytes(), state[2:]))


def _number(task: Any) -> Any:
    """Return the number of a task of a pool: it counts what its process has requested. None if it
    is no task, but the end.
    """
    if isinstance(task, tuple):  # multiprocessing: the job, and the number in it
        return task[:2]
    return getattr(task, "work_id", None)


class Item:
    """A function that joblib calls, in whichever process, and the number of the call."""

    def __init__(self, function: Callable[..., Any], number: int) -> None:
        self._function, self._number = function, number

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        if _current is not None and _current.in_worker():
            _current._end()
            _current._begin(("item", self._number))
        return self._function(*arguments, **named)


_current: Optional[Tasks] = None


def follow(tasks: Tasks) -> None:
    """Let ``tasks`` follow this process and those that it forks."""
    global _current
    _current = tasks
    tasks.follow()

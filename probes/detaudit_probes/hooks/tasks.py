"""The tasks of worker processes: of pools of :mod:`multiprocessing`, of :mod:`concurrent.futures`
and of joblib.

Which worker takes which task is a race. A generator that the operating system seeds in every worker
is therefore pinned once per task, with the task's number, and not once per process. One that the
program seeds in its workers, or that they inherit from it, is left alone: the race decides then,
which is another source (process-pool).
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
#: joblib's backends whose workers are processes of this machine.
BACKENDS = ("LokyBackend", "MultiprocessingBackend")
GENERATORS = ("random", "numpy")


class Task(NamedTuple):
    """A task that begins in this process. ``kept`` are the generators that must not be seeded for
    it, because the program has decided their states.
    """

    number: int  # 32 bits, the same in every run
    kept: FrozenSet[str]


class Tasks:
    """Calls functions with each task that begins in this process, if it is a worker.

    ``drew`` is called with a generator as soon as a task has drawn from it; ``failed`` if one of
    these functions raises. ``started_as_worker`` is whether this process was started to be a
    worker; its forks are workers too.
    """

    def __init__(
        self,
        hooks: Hooks,
        started_as_worker: bool,
        drew: Callable[[str], None],
        failed: Callable[[], None],
    ) -> None:
        self._hooks, self._drew, self._failed = hooks, drew, failed
        self._started_as_worker = started_as_worker
        self._functions: List[Callable[[Task], None]] = []
        self._pid = _getpid()
        self._before: Dict[str, int] = {}  # states of those that no task has drawn from yet
        self._drawn: Set[str] = set()
        self._items = itertools.count()
        self.after_each: Callable[[], None] = lambda: None  # called when a task has ended
        #: Generators whose states the program has decided, and that are not seeded for a task.
        self.kept: Set[str] = set()
        #: The number of the task that this process is at; 0 in a process that is no worker.
        self.number = 0

    def call(self, function: Callable[[Task], None]) -> None:
        """Call ``function`` with each task from now on."""
        self._functions.append(function)

    def follow(self) -> None:
        """Begin, after everything that seeds has been registered: recognize the workers and their
        tasks.
        """
        Item.tasks = self
        for module, name in LOOPS:
            self._hooks.after(module, functools.partial(self._follow_loop, module, name))
        self._hooks.after("joblib.parallel", self._follow_joblib)
        self._hooks.after("numpy", self._numpy_is_imported)

    def begin_worker(self, number: Any) -> None:
        """This process has just become a worker, whose ``number`` is the same in every run. What it
        draws before its first task is drawn as in a task of that number.
        """
        if not self._started_as_worker or _getpid() != self._pid:
            # Forked. (Python seeds its own generator again then, from the operating system.)
            self.kept.discard("random")
            self.kept.add("numpy")
        self.begin(("process", number))

    def in_worker(self) -> bool:
        """Whether this thread runs the tasks of a worker process."""
        is_main = threading.current_thread() is threading.main_thread()
        return is_main and self._in_worker_process()

    def _in_worker_process(self) -> bool:
        return self._started_as_worker or _getpid() != self._pid

    def begin(self, number: Any) -> None:
        """A task with this number begins, and the one before it has ended."""
        try:
            self.end()
            self.number = zlib.crc32(repr(number).encode("utf-8"))
            self.renew()
            self._before = {name: _state(name) for name in GENERATORS if name not in self._drawn}
        except Exception:
            self._failed()

    def renew(self) -> None:
        """Seed for the task that this process is at, if there is one; again, because an import may
        have drawn.
        """
        if self.number:
            task = Task(self.number, frozenset(self.kept))
            for function in self._functions:
                function(task)

    def end(self) -> None:
        """Note what the task has drawn from, of that which no earlier one has."""
        try:
            before, self._before = self._before, {}
            for name, state in before.items():
                if _state(name) != state:
                    self._drawn.add(name)
                    self._drew(name)
            self.after_each()
        except Exception:
            self._failed()

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
        def get_and_begin(*arguments: Any, **named: Any) -> Any:
            task = get(*arguments, **named)
            number = _number(task)
            if number is not None:
                self.begin(number)
            return task

        return get_and_begin

    def _ending(self, put: Callable[..., Any]) -> Callable[..., Any]:
        def end_and_put(*arguments: Any, **named: Any) -> Any:
            self.end()
            return put(*arguments, **named)

        return end_and_put

    def _numpy_is_imported(self) -> None:
        owner: Any = getattr(sys.modules["numpy"], "random", None)
        if hasattr(owner, "seed"):
            owner.seed = NumPySeed(owner.seed, functools.partial(self.seeded, "numpy"))
        if "numpy" in self._before:  # by a task
            self._before["numpy"] = _state("numpy")

    def seeded(self, generator: str, is_seed: bool, caller: Any) -> None:
        """Keep the state of a generator that the program gives a seed, in the frame ``caller``; not
        if it gives none.
        """
        if not str(caller.f_globals.get("__name__")).startswith("detaudit_probes."):
            if is_seed:
                self.kept.add(generator)
            else:
                self.kept.discard(generator)

    def _follow_joblib(self) -> None:
        """joblib puts as many items in a task as take a fraction of a second, so each item is a
        task here.
        """
        parallel: Any = getattr(sys.modules["joblib.parallel"], "Parallel", None)
        given = getattr(parallel, "_dispatch", None)
        if given is None:
            return

        @functools.wraps(given)
        def _dispatch(pool: Any, batch: Any) -> Any:
            backend = type(getattr(pool, "_backend", None)).__name__
            # Inside of a worker, items belong to its task
            if backend in BACKENDS and not self._in_worker_process() and _reaches_workers():
                batch.items = [
                    (Item(function, next(self._items)),) + tuple(rest)
                    for function, *rest in batch.items
                ]
            return given(pool, batch)

        parallel._dispatch = _dispatch


def _reaches_workers() -> bool:
    """Whether a process that is started now imports detaudit's hooks, as :class:`Item` needs."""
    first = os.environ.get("PYTHONPATH", "").split(os.pathsep)[0]
    return bool(first) and os.path.exists(os.path.join(first, "guest"))


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
    if not isinstance(state, tuple):  # of another bit generator
        return hash(repr(state))
    return hash((state[1].tobytes(), state[2:]))


def _number(task: Any) -> Any:
    """Return the number of a task of a pool: it counts what its process has requested. None if it
    is no task, but the end.
    """
    if isinstance(task, tuple):  # multiprocessing: the job, and the number in it
        return task[:2]
    return getattr(task, "work_id", None)


class Item:
    """A function that joblib calls, in whichever process, and the number of the call. ``tasks`` are
    those of the process that calls it.
    """

    tasks: Optional[Tasks] = None

    def __init__(self, function: Callable[..., Any], number: int) -> None:
        self._function, self._number = function, number

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        if self.tasks is not None and self.tasks.in_worker():
            self.tasks.begin(("item", self._number))
        return self._function(*arguments, **named)


class NumPySeed:
    """``numpy.random.seed``, which reports that it is called. It is pickled as the original is: a
    function by its name, a method (before NumPy 1.24) with a copy of its generator.
    """

    def __init__(self, original: Callable[..., Any], seeded: Callable[[bool, Any], None]) -> None:
        functools.update_wrapper(self, original)
        self.__module__ = "numpy.random"
        self._original, self._seeded = original, seeded

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        is_seed = any(one is not None for one in (*arguments, *named.values()))
        self._seeded(is_seed, sys._getframe(1))
        return self._original(*arguments, **named)

    def __reduce__(self) -> Any:
        generator = getattr(self._original, "__self__", None)
        return "seed" if generator is None else (getattr, (generator, "seed"))

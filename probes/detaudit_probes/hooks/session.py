"""What a source's functions receive in a user's own process: the counterpart of a probe's
``Trial``.
"""

import functools
import os
import traceback
from types import ModuleType
from typing import Any, Callable, Dict, Optional, Set

from detaudit_probes import sources
from detaudit_probes.given import Given
from detaudit_probes.hooks import files
from detaudit_probes.hooks.imports import Hooks
from detaudit_probes.hooks.points import Points, obstacle
from detaudit_probes.hooks.sites import Sites
from detaudit_probes.hooks.tasks import Task, Tasks
from detaudit_probes.protocol import FAULT_FILE, Point, Request


def fault(folder: str) -> None:
    """End the process with the traceback of the current exception: a fault of detaudit must not be
    taken for the script's.
    """
    with open(os.path.join(folder, FAULT_FILE), "w", encoding="utf-8") as file:
        traceback.print_exc(file=file)
    os._exit(70)


def generators() -> Dict[str, str]:
    """Return what a trace calls the generator of each source that is one."""
    declared = sources.declared(sources.SCRIPT_MODULES).values()
    return {source.id: source.trace_name for source, _ in declared if source.trace_name}


class Session(Given):
    """One process of the user's script: its request, what its pins cover, and what is counted.

    ``counts`` says how often each source was used, for ``touched``. If the trial is to find the
    lines that drew from one source (``spying``), every :meth:`drew` of that source records its call
    site as well. ``used`` are the sources that were used other than by an installed module during
    its import. ``is_worker``: the process was started to run tasks for another one.
    """

    def __init__(
        self, request: Request, folder: str, pinned: Set[str], root: str, is_worker: bool = False
    ) -> None:
        super().__init__(request, folder, pinned)
        self.traces = folder  # where the trace of this process is written
        # What a source stored at the start, for its ``touched``
        self.remembered: Dict[str, Any] = {}
        self.hooks = Hooks(lambda: fault(folder))
        self.points = Points(self.hooks, self._obstacle)
        self.is_worker = is_worker
        self.tasks = Tasks(self.hooks, is_worker, self._task_drew, lambda: fault(folder))
        self.sites = Sites(root)
        self.used: Set[str] = set()
        # In a worker: called when it has used another source, or in another line
        self.found_new: Optional[Callable[[], None]] = None
        self.spying: Optional[str] = request.orders.spy

    def _obstacle(self, module: str) -> str:
        """Return why a nest cannot fork at the end of this module's import."""
        used = ["it uses %s" % source for source in sorted(self.used)]
        return obstacle(self.folder) or (used[0] if used else "")

    def drew(self, source: str, makers: bool = False) -> None:
        """Count a draw from ``source`` by the caller up the stack.

        ``makers``: if that is the ``__init__`` of a class of the user's, record the line that
        created the object as well.
        """
        known = self.found_new is not None and (source in self.counts, len(self.sites))
        self.count(source)
        if source not in self.used and not self.sites.importing():
            self.used.add(source)
        if self.spying == source:
            self.sites.note(makers)
        if self.found_new is not None and known != (True, len(self.sites)):
            self.found_new()

    def _task_drew(self, generator: str) -> None:
        """Count that a task of this worker has drawn from a global generator."""
        name = next(name for name, drawn in generators().items() if drawn == generator)
        self.count(name)
        self.used.add(name)
        if self.found_new is not None:
            self.found_new()

    def after_import(self, module: str, function: Callable[[], None]) -> None:
        """Call ``function`` once ``module`` has been imported, whoever imports it."""
        self.hooks.after(module, function)

    def seed_of(self, point: Point) -> int:
        """Return a seed for what follows this point: the same in every process that passes it."""
        return self.seed + (point.number << 32)

    def at_points(self, function: Callable[[Point], None]) -> None:
        """Call ``function`` with each point at which a nest may fork."""
        self.points.call(function)

    def at_tasks(self, function: Callable[[Task], None]) -> None:
        """Call ``function`` with each task that begins, if this process is a worker."""
        self.tasks.call(function)

    def seed_of_task(self) -> int:
        """Return a seed for the task that this process is at: ``seed`` if it is no worker."""
        return self.seed + (self.tasks.number << 32)

    def follow_files(
        self, report: Callable[[files.Use], None], connected: Optional[Callable[[], None]] = None
    ) -> None:
        """Call ``report`` with every use of a file from now on, and ``connected`` at a connection;
        see :func:`~detaudit_probes.hooks.files.follow`.
        """
        files.follow(self, report, connected)

    def wrap(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Replace ``owner.name``, if it exists, with ``make`` of it, which keeps its name and
        docstring.

        ``owner`` is None if a version of its library lacks it.
        """
        original = None if owner is None else getattr(owner, name, None)
        if original is not None:
            made = make(original)
            try:
                made = functools.wraps(original)(made)
                if isinstance(owner, ModuleType):  # by these names it is pickled
                    made.__module__, made.__qualname__ = owner.__name__, name
            except (AttributeError, TypeError):
                pass  # a class, or an object without a docstring
            setattr(owner, name, made)

    def count_calls(self, source: str, owner: Any, *names: str) -> None:
        """Count every call of these functions of ``owner`` as a draw from ``source``."""

        def wrapper(original: Any) -> Any:
            def counting(*arguments: Any, **named: Any) -> Any:
                self.drew(source)
                return original(*arguments, **named)

            return counting

        for name in names:
            self.wrap(owner, name, wrapper)

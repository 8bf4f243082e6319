"""What workers draw, those of :mod:`multiprocessing` (such as a Torch ``DataLoader``'s) and of
joblib, forked or not: they are not recorded, but the process that started them reports their draws
with its own.

A worker may be ended at any time, so it writes what it has found so far whenever that is new.
"""

import functools
import json
import os
import sys
from typing import Any, Dict, List, NamedTuple, Tuple

from detaudit_probes import codec
from detaudit_probes.hooks.session import generators
from detaudit_probes.protocol import WORKERS_FOLDER, Draw
from detaudit_probes.recording import trace

_getpid = os.getpid  # taken at import, before a pin can replace it


class WorkerDraws(NamedTuple):
    """What one worker drew: how often from each source, and the lines that drew."""

    counts: Dict[str, int] = {}
    used: Tuple[str, ...] = ()
    draws: Tuple[Draw, ...] = ()


def follow(session: Any) -> None:
    """Let this process report what it draws if it is a worker, and those that it forks."""
    session.after_import("multiprocessing.util", functools.partial(_register, session))
    if session.is_worker:
        begins = functools.partial(_begin_when_started, session)
        session.after_import("multiprocessing.process", begins)


def _register(session: Any) -> None:
    """A forked worker calls what is registered; others may not."""
    util = sys.modules["multiprocessing.util"]
    util.register_after_fork(session, _begin)  # type: ignore[attr-defined]


def _begin_when_started(session: Any) -> None:
    def wrapper(given: Any) -> Any:
        def _bootstrap(process: Any, *arguments: Any, **named: Any) -> Any:
            _begin(session, process)
            return given(process, *arguments, **named)

        return _bootstrap

    process: Any = sys.modules["multiprocessing.process"]
    session.wrap(process.BaseProcess, "_bootstrap", wrapper)


def _begin(session: Any, process: Any = None) -> None:
    """Called when a worker begins. One that is forked starts with what its parent had drawn, others
    with what the imports of the script drew.
    """
    session.counts.clear()
    session.used.clear()
    session.sites.forget()
    session.found_new = functools.partial(_write, session)
    util = sys.modules["multiprocessing.util"]
    if session.spying is not None:
        session.tasks.after_each = session.found_new
    util.Finalize(None, _end, (session,), exitpriority=0)  # type: ignore[attr-defined]
    if process is None:
        process = sys.modules["multiprocessing.process"].current_process()  # type: ignore[attr-defined]
    # Its number among those that its parent has started
    session.tasks.begin_worker(getattr(process, "_identity", ()))


def _end(session: Any) -> None:
    session.tasks.end()
    if session.found_new is not None:
        session.found_new()


def _write(session: Any) -> None:
    """A source may keep more than a number in the counts: that stays in the worker."""
    try:
        numbers = [item for item in dict(session.counts).items() if isinstance(item[1], int)]
        # A seed of the program's own process reaches what its workers inherit
        in_worker = generators().get(session.spying) not in session.tasks.kept
        draws = tuple(draw._replace(in_worker=in_worker) for draw in session.sites.draws())
        drawn = WorkerDraws(dict(numbers), tuple(sorted(session.used)), draws)
        folder = os.path.join(session.traces, WORKERS_FOLDER)
        os.makedirs(folder, exist_ok=True)
        trace.write_json(os.path.join(folder, "%d.json" % _getpid()), codec.encode(drawn))
    except (OSError, RuntimeError):
        # Its parent has ended and the folder is gone, the disk is full, or another thread draws at
        # the same time: the worker goes on, and its draws are not reported
        session.found_new = None


def take(folder: str) -> List[WorkerDraws]:
    """Return what the workers of a process have drawn, which has its trace in this folder. Their
    files are removed, so that a program that the process runs next does not count them again.
    """
    around = os.path.join(folder, WORKERS_FOLDER)
    found = []
    for name in sorted(os.listdir(around)) if os.path.isdir(around) else []:
        if name.endswith(".json"):
            path = os.path.join(around, name)
            with open(path, encoding="utf-8") as file:
                found.append(codec.decode(WorkerDraws, json.load(file)))
            os.remove(path)
    return found


def merged(draws: Tuple[Draw, ...]) -> Tuple[Draw, ...]:
    """Return each line once, with all of its draws."""
    found: Dict[Any, Draw] = {}
    for one in draws:
        line = one.file, one.line, one.function, one.in_worker
        known = found.get(line, one._replace(draws=0, seeded=0))
        found[line] = known._replace(
            draws=known.draws + one.draws, seeded=known.seeded + one.seeded
        )
    return tuple(found.values())

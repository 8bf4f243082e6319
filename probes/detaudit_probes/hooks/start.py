"""The beginning and the end of a recorded process: pins before the script's first line, the trace
after its last.

The first Python process of a trial is recorded, and so are programs in Python that it starts, such
as the training that a launcher starts, each in a folder of its own. Forked processes and the
workers of a pool are pinned like them, and what they draw is counted, but they are not recorded.
"""

import atexit
import functools
import hashlib
import json
import os
import sys
import traceback
from types import ModuleType
from typing import Any, Dict, List, Optional, Tuple

from detaudit_probes import codec, placebos, protocol, sources
from detaudit_probes.declare import KERAS_MODULES
from detaudit_probes.hooks import workers
from detaudit_probes.hooks.session import Session, fault
from detaudit_probes.recording import facts, trace
from detaudit_probes.recording.thread_team import Team

#: The most bytes of tensors that one trial keeps, if it is asked to keep them.
MOST_KEPT = 256 << 20
MOST_RECORDED = 64  # processes of one trial, beside the first
#: How words begin in the command lines of processes that run tasks for another one.
OF_WORKERS = ("--multiprocessing-fork", "from multiprocessing.", "joblib.externals.loky", "loky.")
#: Variables with which launchers tell equal processes their number.
RANKS = ("RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID")
_getpid = os.getpid  # taken at import, before a pin can replace it


def begin(folder: str, passed: Optional[protocol.Point] = None) -> None:
    """Called by ``sitecustomize``, or in a child of the program, which goes on from the point
    ``passed``.
    """
    try:
        _begin(folder, passed)
    except BaseException:
        fault(folder)


def _begin(folder: str, passed: Optional[protocol.Point]) -> None:
    with open(os.path.join(folder, protocol.REQUEST_FILE), encoding="utf-8") as file:
        request = codec.decode(protocol.Request, json.load(file))
    modules = sources.SCRIPT_MODULES
    declared, pins = sources.declared(modules), sources.pins(modules)
    protocol.check_own_settings(request.settings, declared)
    pinned = {source for name in request.pins for source in pins[name][0].sources}
    is_first = claim(folder)
    is_worker = not is_first and _is_worker()
    traces = folder if is_first else None if is_worker else _own_folder(folder)
    if traces != folder:
        # Only the first process may be ended early: others need what a further one saves at its end
        orders = request.orders._replace(stop_steps=None, stop_seconds=None, stop_differing=False)
        request = request._replace(orders=orders)
    session = Session(request, folder, pinned, request.orders.root, is_worker)
    if traces is not None:
        session.traces = traces
        _record_training(session, modules)
    elif is_worker:
        session.traces = _folder_of_parent(folder)
        _count(session, modules, [])
    for name in request.unpinned:
        if hasattr(declared[name][1], "vary"):
            declared[name][1].vary(session)
    for name in request.pins:
        if hasattr(pins[name][1], "pin_script"):
            pins[name][1].pin_script(session, name)
    session.tasks.follow()
    session.at_points(lambda point: session.tasks.renew())
    session.points.follow(passed)


def _own_folder(folder: str) -> Optional[str]:
    """Return where a program that is not the trial's first writes its trace; None if it is not
    recorded.
    """
    own = _folder_of(folder, _getpid())
    return own if _makes_room(own) else None


def _folder_of(folder: str, process: int) -> str:
    return os.path.join(folder, protocol.PROCESSES_FOLDER, str(process))


def _folder_of_parent(folder: str) -> str:
    """Return where the process that has started this worker writes its trace."""
    own = _folder_of(folder, os.getppid())
    return own if os.path.isdir(own) else folder


def claim(folder: str) -> bool:
    """Whether this process is the script's own: the first to claim it, or that one restarted by
    ``exec``.

    Others write their process id.
    """
    path, mine = os.path.join(folder, protocol.MAIN_FILE), b"%d" % os.getpid()
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(file, mine)
        os.close(file)
        return True
    except FileExistsError:
        with open(path, "rb") as claimed:
            if claimed.read() == mine:
                return True
        _leave_number(folder)
        return False


def _is_worker() -> bool:
    """Whether this process is started by :mod:`multiprocessing` or loky to work for another one."""
    command = getattr(sys, "orig_argv", None)  # Python 3.10 and newer
    if command is None:
        try:
            with open("/proc/self/cmdline", encoding="utf-8", errors="replace") as file:
                command = file.read().split("\0")
        except OSError:
            return True
    return any(part.startswith(OF_WORKERS) for part in command)


def _makes_room(folder: str) -> bool:
    """Make a folder for the trace of this process, unless too many are recorded; it exists if the
    process was restarted by ``exec``.
    """
    around = os.path.dirname(folder)
    os.makedirs(around, exist_ok=True)
    if not os.path.isdir(folder):
        if len(os.listdir(around)) >= MOST_RECORDED:
            open(os.path.join(around, protocol.TOO_MANY_FILE), "w").close()
            return False
        os.mkdir(folder)
    return True


def _leave_number(folder: str) -> None:
    """Write the id of a process that is not recorded: the engine counts them."""
    with open(os.path.join(folder, protocol.PROCESSES_FILE), "a") as file:
        file.write("%d\n" % os.getpid())


def _count(session: Session, modules: Tuple[ModuleType, ...], seeded: List[Dict[str, Any]]) -> None:
    """Count what this process draws, and what its workers do; note in ``seeded`` which seeds it
    sets.
    """
    from detaudit_probes.hooks import autograph, moved_seeds, random_states, seeds

    for module in modules:
        if hasattr(module, "touch"):
            module.touch(session)
        if session.spying is not None and hasattr(module, "spy") and session.spying in _ids(module):
            module.spy(session)
    if session.spying is not None:
        seeds.record(session, seeded)
        random_states.ignore_discarded(session)
        autograph.follow(session)
    if session.orders.seeds_plus is not None:
        moved_seeds.move(session, session.orders.seeds_plus, seeded)
    workers.follow(session)


def _record_training(session: Session, modules: Tuple[ModuleType, ...]) -> None:
    from detaudit_probes.hooks import files, fits, jax_steps, saves, torch_optim
    from detaudit_probes.hooks.recorder import Recorder

    request = session.request
    keep = session.orders.keep_from
    writer = trace.TraceWriter(
        session.traces,
        request.trial,
        codec.encode(request),
        request.fingerprint,
        keep is not None,
        keep or 0,
        MOST_KEPT,
        Team.of_this_machine(),
    )
    recorder = Recorder(session, writer)
    seeded: List[Dict[str, Any]] = []
    _count(session, modules, seeded)
    # When Keras is imported, the end is registered once more: the last registered runs first,
    # while TensorFlow can still be read.
    used = files.Record(session)
    session.follow_files(used, used.connected)
    ending = _Ending(session, recorder, modules, seeded, used)
    atexit.register(ending)
    for name in ("execv", "execve"):  # the other functions of this kind call these
        session.wrap(os, name, ending.before)
    saves.record(session, recorder)
    session.points.call(recorder.passed.append)
    if recorder.counting:
        session.after_import("jax", functools.partial(jax_steps.prepare, session, recorder))
    session.after_import("torch", lambda: torch_optim.record(session, recorder))
    fits.record(session, recorder)
    for name in KERAS_MODULES:
        session.after_import(name, functools.partial(_follow, session, recorder, ending, name))
    if hasattr(os, "register_at_fork"):  # Python 3.7 and newer
        os.register_at_fork(after_in_child=recorder.leave)
        os.register_at_fork(after_in_child=lambda: _leave_number(session.folder))


def _follow(session: Session, recorder: Any, ending: Any, name: str) -> None:
    from detaudit_probes.hooks.keras import choose

    atexit.register(ending)
    choose.record(session, recorder, name)


def _this_process(root: str, cwd: str) -> protocol.Process:
    """Return which process this is, as it was started in ``cwd``; paths below ``root`` are the same
    in every run's copy of it. The script may have changed or removed everything that names it.
    """
    root = os.path.realpath(root)
    own = getattr(sys.modules.get("__main__"), "__file__", None)
    path = os.path.realpath(os.path.join(cwd, str(own or (sys.argv or [""])[0])))
    inside = os.path.exists(path) and path.startswith(os.path.join(root, ""))
    name = os.path.relpath(path, root) if inside else os.path.basename(path)
    command = getattr(sys, "orig_argv", None) or sys.argv  # Python 3.10 and newer
    given = "\0".join(map(str, command)).replace(root, "").encode("utf-8", "surrogateescape")
    ranks = (os.environ[name] for name in RANKS if name in os.environ)
    return protocol.Process(name, hashlib.sha256(given).hexdigest(), next(ranks, ""))


def _ids(module: ModuleType) -> List[str]:
    return [source.id for source in (getattr(module, "SOURCES", None) or (module.SOURCE,))]


class _Ending:
    """Completes the trace, once, in the process that began it."""

    def __init__(
        self,
        session: Session,
        recorder: Any,
        modules: Tuple[ModuleType, ...],
        seeded: List[protocol.Seeding],
        used: Any,
    ) -> None:
        self._session, self._recorder, self._modules, self._seeded = (
            session,
            recorder,
            modules,
            seeded,
        )
        self._files = used
        self._done, self._pid = False, _getpid()
        self._worked: List[workers.WorkerDraws] = []
        self._environment = dict(os.environ)
        self._cwd = os.getcwd()
        self._earlier = None  # type: Optional[protocol.CallSites]
        recorder.ending = self

    def before(self, given: Any) -> Any:
        """For ``exec``, which ends this program but not the process: the next program continues the
        trace.
        """

        def started(*arguments: Any, **named: Any) -> None:
            if _getpid() == self._pid:
                self()
            try:
                given(*arguments, **named)
            finally:  # exec has failed
                if _getpid() == self._pid:
                    self._done = self._recorder.left = False

        return started

    def __call__(self) -> None:
        if self._done or self._recorder.left:
            return
        self._done = True
        session, recorder = self._session, self._recorder
        self._files.ended = True
        try:
            recorder.end()
            self._worked += workers.take(session.traces)
            recorder.trace.note("facts", facts.of_interpreter())
            recorder.trace.note("evidence", self._evidence())
            recorder.trace.measure(
                placebos=tuple(placebos.met(self._environment)),
                used=tuple(
                    sorted(
                        session.used.union(
                            recorder.trace.earlier_measures.used,
                            *(one.used for one in self._worked),
                        )
                    )
                ),
                files=self._files.listed(),
                trackers=tuple(name for name in protocol.TRACKERS if name in sys.modules),
                imported=facts.imported(session.orders.root),
            )
            if session.spying is not None or self._seeded:
                self._write_sites(os.path.join(session.traces, protocol.SITES_FILE))
            path = os.path.join(session.traces, protocol.PROCESS_FILE)
            trace.write_json(path, codec.encode(_this_process(session.orders.root, self._cwd)))
            outcome = {"kind": "completed"}  # type: Dict[str, Any]
        except (
            BaseException
        ) as error:  # an error of detaudit is reported as such and never as the script's
            outcome = {
                "kind": "own-fault",
                "type": type(error).__name__,
                "message": "%s, in the recorder: %s"
                % (str(error)[:1000], traceback.format_exc()[-800:]),
            }
        recorder.trace.finish(outcome)
        recorder.left = True

    def _write_sites(self, path: str) -> None:
        theirs = tuple(draw for one in self._worked for draw in one.draws)
        draws = workers.merged(self._session.sites.draws() + theirs)
        sites = protocol.CallSites(draws, tuple(self._seeded))
        if self._earlier is None and self._recorder.trace.earlier and os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                # Of the program that this one was started by
                self._earlier = codec.decode(protocol.CallSites, json.load(file))
        if self._earlier is not None:
            draws, seeds = self._earlier
            sites = protocol.CallSites(draws + sites.draws, seeds + sites.seeds)
        trace.write_json(path, codec.encode(sites))

    def _evidence(self) -> Dict[str, int]:
        found = dict(self._session.counts)
        for module in self._modules:
            if hasattr(module, "touched"):
                for name in _ids(module):
                    found[name] = int(module.touched(self._session, name))
        for one in self._worked:
            for name, count in one.counts.items():
                found[name] = found.get(name, 0) + count
        return {name: number for name, number in found.items() if number}

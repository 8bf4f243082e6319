"""The user's program as a nest: it runs as it is until a framework has been imported; there it
forks one child per trial, which goes on from there.

Nothing of detaudit's happens before that point: no trace is begun, no pin is applied, nothing is
counted. A child begins its trial as a fresh process does (:mod:`detaudit_probes.hooks.start`),
after it has entered a sandbox of its own and has reseeded the generators that the program had not
used.

In the nest's folder, ``nest.json`` names the point at which to fork, and the named pipe for
commands. ``hello.json`` says that it is reached, or why the program cannot fork there. A command is
a line of JSON: the trial's folder, its limit in seconds, its changes of the environment, and its
mounts.
"""

import ctypes
import gc
import json
import os
import sys
import types
import warnings
from typing import Any, Callable, Dict, List, Tuple

# The recorder takes the clock before the program can replace it
import detaudit_probes.hooks.recorder  # noqa: F401
from detaudit_probes.backends import started
from detaudit_probes.forking import children, mounts
from detaudit_probes.hooks import points, start, streams
from detaudit_probes.hooks.imports import Hooks
from detaudit_probes.hooks.session import fault
from detaudit_probes.protocol import FAULT_FILE, HELLO_FILE, NEST_FILE, PROCESSES_FILE, Point
from detaudit_probes.recording.trace import write_json


def prepare(folder: str) -> None:
    """Called by ``sitecustomize``, also in the Python processes that the program starts."""
    try:
        if start.claim(folder):
            with open(os.path.join(folder, NEST_FILE), encoding="utf-8") as file:
                _Nest(folder, json.load(file))
    except BaseException:
        fault(folder)


class _Nest:
    def __init__(self, folder: str, plan: Dict[str, Any]) -> None:
        self._folder, self._plan = folder, plan
        self._environment = dict(os.environ)
        self._hooks = Hooks(lambda: fault(folder))
        passed = points.Points(self._hooks, lambda module: points.obstacle(folder))
        passed.call(self._pass)
        passed.follow()

    def _pass(self, point: Point) -> None:
        """Fork here, if this is the point; only children return."""
        if point.module != self._plan["module"]:
            return
        self._say_hello(point)
        self._hooks.remove()
        kept = [_keep(name) for name, _ in point.kept]
        changed = {
            name: value
            for name, value in os.environ.items()
            if self._environment.get(name) != value
        }
        self._taken = _Taken()
        # A collection in a child would copy the memory of every module
        getattr(gc, "freeze", lambda: None)()
        command = self._serve()
        try:
            self._go_on(command, point, kept, changed)
        except BaseException:
            fault(command["folder"])

    def _say_hello(self, point: Point) -> None:
        """Tell the engine that the point is reached. If something is in the way of a fork, tell it
        that, and end.
        """
        others = os.path.exists(os.path.join(self._folder, PROCESSES_FILE))
        obstacle = point.obstacle or ("it starts a process" if others else "")
        flush()
        printed = [os.fstat(descriptor).st_size for descriptor in (1, 2)]
        hello = {"obstacle": obstacle, "kept": dict(point.kept), "printed": printed}
        write_json(os.path.join(self._folder, HELLO_FILE), hello)
        if obstacle:
            os._exit(0)

    def _serve(self) -> Dict[str, Any]:
        """Fork a child for each command. Only children return: each its own command."""
        commands = os.open(self._plan["commands"], os.O_RDONLY)
        children.adopt_orphans()
        self._pid = os.getpid()
        running = children.Children()
        mine: List[Dict[str, Any]] = []

        def begin(line: str) -> bool:
            command = json.loads(line)
            with warnings.catch_warnings():  # of forks in a process that has threads
                warnings.simplefilter("ignore")
                pid = os.fork()
            if pid == 0:
                mine.append(command)
                return True
            running.add(pid, command["folder"], command["limit"])
            return False

        if not children.serve(commands, running, begin):
            os._exit(0)
        os.close(commands)
        return mine[0]

    def _go_on(
        self,
        command: Dict[str, Any],
        point: Point,
        kept: List[Callable[[], None]],
        changed: Dict[str, str],
    ) -> None:
        """Turn a child into the process of a trial."""
        folder = command["folder"]
        os.setsid()
        children.redirect(folder)
        cwd = os.getcwd()
        if command["mounts"] is not None:
            try:
                mounts.enter(dict(command["mounts"], cwd=cwd))
            except OSError as error:
                _fail(folder, "no sandbox: %s" % (error.strerror or error))
        children.die_with_parent()
        if os.getppid() != self._pid:  # it has ended before that
            os._exit(0)
        _forget_temporary_folder()
        self._set_variables(command["environment"])
        _freshen()
        start.begin(folder, point)
        for restore in kept:
            restore()
        os.environ.update({name: value for name, value in changed.items() if name in os.environ})
        self._taken.rebind()

    def _set_variables(self, variables: Dict[str, Any]) -> None:
        """Set what is different in each trial, unless the program has changed it."""
        for name, value in variables.items():
            if os.environ.get(name) != self._environment.get(name):
                continue
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def flush() -> None:
    """Write out what Python and the C library have buffered: a child must not write it again."""
    streams.flush()
    try:
        ctypes.CDLL(None).fflush(None)
    except (OSError, AttributeError):
        pass


def _fail(folder: str, reason: str) -> None:
    with open(os.path.join(folder, FAULT_FILE), "w", encoding="utf-8") as file:
        file.write(reason + "\n")
    os._exit(70)


def _keep(name: str) -> Callable[[], None]:
    """Return a function that gives a generator the state that it has now."""
    module = sys.modules[name]
    if name == "random":
        state = module.getstate()
        return lambda: module.setstate(state)
    if name == "numpy":
        state = module.random.get_state()
        return lambda: module.random.set_state(state)
    if name == "torch":
        state = module.get_rng_state()
        return lambda: module.set_rng_state(state)
    context = started.tensorflow_context()
    seed, state = context._seed, context._rng.getstate()

    def restore() -> None:
        context._seed = seed
        context._rng.setstate(state)

    return restore


def _freshen() -> None:
    """Reseed from the operating system what a new process seeds from there. (Since Python 3.7,
    ``random`` does so after each fork. Torch begins with a constant.)
    """
    import random

    random.seed()
    numpy = sys.modules.get("numpy")
    if hasattr(getattr(numpy, "random", None), "seed"):
        numpy.random.seed()


def _forget_temporary_folder() -> None:
    """Let ``tempfile`` find its folder again, unless the program has set another."""
    import tempfile

    if tempfile.tempdir in tempfile._candidate_tempdir_list():
        tempfile.tempdir = None


class _Taken:
    """The functions and classes of the standard library that other modules took by name.

    Found before the fork: a child that looked at every module would copy most of its memory.
    """

    def __init__(self) -> None:
        found: Dict[int, List[Tuple[str, str]]] = {}
        self._watched: List[Tuple[str, str, Any, List[Tuple[str, str]]]] = []
        modules = [
            (name, list(vars(module).items()))
            for name, module in list(sys.modules.items())
            if isinstance(module, types.ModuleType) and not name.startswith("detaudit_probes")
        ]
        for name, items in modules:
            if not _is_standard(name):
                for key, value in items:
                    if callable(value):
                        found.setdefault(id(value), []).append((name, key))
        for name, items in modules:
            if _is_standard(name):
                for key, value in items:
                    if id(value) in found:
                        self._watched.append((name, key, value, found[id(value)]))

    def rebind(self) -> None:
        """Give those modules the ones that have replaced them since: in a fresh process they are
        replaced before another module takes them.
        """
        for name, key, value, takers in self._watched:
            now = getattr(sys.modules[name], key, None)
            if now is value or not callable(now):
                continue
            for module, taken in takers:
                if vars(sys.modules[module]).get(taken) is value:
                    setattr(sys.modules[module], taken, now)


_STANDARD = os.path.join(os.path.dirname(os.path.abspath(os.__file__)), "")


def _is_standard(name: str) -> bool:
    """Whether a module belongs to the standard library, or is built in."""
    file = getattr(sys.modules[name], "__file__", None)
    if name == "__main__" or file is None:
        return name != "__main__"
    return file.startswith(_STANDARD) and "site-packages" not in file

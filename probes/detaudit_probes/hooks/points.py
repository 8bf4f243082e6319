"""The points of a program at which a nest may fork: the ends of its frameworks' imports.

A pin that numbers what it is asked for (a clock that ticks, a seeded stream) begins again with a
fixed number at each point. So it does not matter how often an import asked, and a process that goes
on from a fork continues as a fresh one does.
"""

import hashlib
import os
import signal
import sys
import threading
from typing import Any, Callable, Dict, List, Optional, Set

from detaudit_probes.backends import started
from detaudit_probes.forking.children import children_of_this_process
from detaudit_probes.hooks.imports import Hooks
from detaudit_probes.protocol import Point

FRAMEWORKS = ("tensorflow", "jax", "torch", "keras", "tf_keras")


class Points:
    """Calls functions with each point as it is passed.

    A framework that another one imports is no point of its own. ``obstacle`` returns why no nest
    can fork now, or an empty string.
    """

    def __init__(self, hooks: Hooks, obstacle: Callable[[str], str] = lambda module: "") -> None:
        self._hooks, self._obstacle = hooks, obstacle
        self._functions: List[Callable[[Point], None]] = []
        self._number = 0
        self._outermost = ""  # the framework whose import is in progress
        self._untouched: Dict[str, str] = {}
        self._kept: Set[str] = set()
        # What the program has imported itself and may have used since without a trace of it
        self._before: List[str] = []

    def call(self, function: Callable[[Point], None]) -> None:
        """Call ``function`` with each point from now on."""
        self._functions.append(function)

    def follow(self, passed: Optional[Point] = None) -> None:
        """Begin, after everything else has been registered. ``passed`` is the point from which this
        process goes on.
        """
        if passed is not None:
            self._number = passed.number
            self._kept = {name for name, _ in passed.kept}
            self._tell(passed)
        self._untouched = states()
        for name in FRAMEWORKS:
            if name not in sys.modules:
                self._hooks.before(name, lambda name=name: self._begins(name))
                self._hooks.after(name, lambda name=name: self._ended(name))
        if "numpy" not in sys.modules:
            self._hooks.after("numpy", lambda: self._untouched.update(states(("numpy",))))

    def _begins(self, name: str) -> None:
        if self._outermost in sys.modules:
            return
        self._outermost = name
        for generator, state in states().items():
            if self._untouched.get(generator, state) != state:  # the program's lines have used it
                self._kept.add(generator)

    def _ended(self, name: str) -> None:
        if name != self._outermost:
            return
        self._outermost = ""
        self._number += 1
        obstacle = self._obstacle(name)
        if self._before and not obstacle:
            obstacle = "it imports %s itself" % self._before[0]
        if name == "jax" or (name == "tensorflow" and _is_tensorflow_1()):
            self._before.append(name)
        digests = sorted((one, state) for one, state in states().items() if one in self._kept)
        self._tell(Point(name, self._number, tuple(digests), obstacle))
        self._untouched = states()

    def _tell(self, point: Point) -> None:
        for function in self._functions:
            function(point)


def states(names: Any = ("random", "numpy", "tensorflow", "torch")) -> Dict[str, str]:
    """Return a digest of the state of each global generator that exists."""
    found = {name: state for name, state in ((name, _state(name)) for name in names)}
    return {
        name: hashlib.sha256(repr(state).encode("utf-8")).hexdigest()[:16]
        for name, state in found.items()
        if state is not None
    }


def _state(name: str) -> Any:
    module = sys.modules.get(name)
    if name == "random":
        return module.getstate() if module is not None else None
    if name == "numpy":
        random = getattr(module, "random", None)
        state = random.get_state() if hasattr(random, "get_state") else None
        return None if state is None else (state[1].tolist(), state[2:])
    if name == "torch":
        generator = getattr(module, "default_generator", None)
        return None if generator is None else generator.get_state().tolist()
    context = started.tensorflow_context()
    if context is None or getattr(context, "_rng", None) is None:
        return "no seed" if name in sys.modules else None
    return context._seed, context._rng.getstate()


def obstacle(ours: str) -> str:
    """Return why this process must not fork now, as what "it" does; empty if nothing is known.

    ``ours`` is a folder whose files are detaudit's.
    """
    main = threading.main_thread()
    if threading.current_thread() is not main or threading.enumerate() != [main]:
        return "it starts a thread"
    try:
        return _in_use(ours)
    except OSError:  # not Linux
        return "its system does not list what it uses"


def _in_use(ours: str) -> str:
    return (
        _backend_in_use()
        or _open_file(os.path.join(os.path.realpath(ours), ""))
        or ("it starts a process" if children_of_this_process() else "")
        or ("it shares memory that it writes to" if _shares_memory() else "")
        or _signals()
    )


def _backend_in_use() -> str:
    if started.tensorflow():
        return "it uses TensorFlow"
    if started.jax():
        return "it uses JAX"
    return "it uses Torch on a GPU" if started.torch_on_gpu() else ""


def _is_tensorflow_1() -> bool:
    return str(getattr(sys.modules.get("tensorflow"), "__version__", "")).startswith("1.")


def _open_file(ours: str) -> str:
    """A child would share the position in an open file with its siblings."""
    for name in os.listdir("/proc/self/fd"):
        try:
            number, path = int(name), os.readlink("/proc/self/fd/" + name)
            if number <= 2 or path == os.devnull or path.startswith(ours):
                continue
            if os.path.isdir(path) or (
                not os.get_inheritable(number) and path.startswith("anon_inode")
            ):
                continue
        except OSError:  # the folder's own
            continue
        if path.startswith(("socket:", "pipe:", "anon_inode:")):
            return "it opens a connection"
        return "it keeps a file open"
    return ""


def _shares_memory() -> bool:
    with open("/proc/self/maps") as file:
        permissions = [line.split(" ", 2)[1] for line in file]
    return any("w" in one and "s" in one for one in permissions)


def _signals() -> str:
    if signal.getsignal(signal.SIGCHLD) not in (signal.SIG_DFL, None):
        return "it handles SIGCHLD"
    timers = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
    return "it sets a timer" if any(signal.getitimer(one)[0] for one in timers) else ""

"""The clock and the process id, used as a seed.

``seed = int(time.time())``, or the time combined with ``os.getpid()``, is a different number in
every run. This is rare in a script's own lines and common in the code that it calls: Keras seeds
the workers of a ``PyDataset`` with ``random_seed + worker_proc.ident``
(``keras/src/trainers/data_adapters/py_dataset_adapter.py``).

The pin replaces ``time.time`` and ``time.time_ns`` with a clock that advances by a fixed tick at
every call, so that a loop that waits for a later time still ends. It replaces ``os.getpid`` with a
fixed number. It does not reach ``datetime.datetime.now`` and ``time.monotonic``, which read the
system's clock in C.

In a user's own script, ``detaudit run`` replaces those as well and gives every thread its own
clock. The standard library's waiting functions keep the real clock, and so does Theano, which waits
for its lock. ``logging`` gets a separate ticking clock, because the number of log records about
waiting depends on the machine's load.
"""

import dis
import functools
import importlib
import itertools
import json
import os
import sys
import time
import types

from detaudit_probes.backends import BACKENDS
from detaudit_probes.declare import Edit, InScript, Link, Pin, Source, Unpin, Variation
from detaudit_probes.kit import batches

ID = "clock"

START = 1500000000 * 10**9  # nanoseconds since the epoch: a day in 2017
TICK = 10**7  # nanoseconds per call
HOUR = 3600 * 10**9  # nanoseconds
# On Linux no process has an id above 2**22 (<linux/threads.h>, PID_MAX_LIMIT). A signal that a
# child sends to this id reaches none; one sent to a plausible id could end an unrelated process.
PID = 2**22 + 1
#: Modules of the standard library that wait. Some import the clock by name, others call ``time``.
WAITING = (
    "threading",
    "queue",
    "subprocess",
    "selectors",
    "concurrent.futures._base",
    "multiprocessing.connection",
    "multiprocessing.pool",
    "multiprocessing.queues",
    "multiprocessing.synchronize",
)
#: Functions of ``os`` whose first argument is the number of a process that the system knows.
TAKING_A_PROCESS = (
    "getpgid",
    "getsid",
    "kill",
    "pidfd_open",
    "sched_getaffinity",
    "sched_getparam",
    "sched_getscheduler",
    "sched_setaffinity",
    "sched_setparam",
    "sched_setscheduler",
    "setpgid",
)
READERS, FORMATTERS = ("localtime", "gmtime", "ctime"), ("strftime", "asctime")
CLOCKS = ("time", "perf_counter", "monotonic", "process_time", "thread_time")
CLOCKS_NS = tuple(name + "_ns" for name in CLOCKS)
DATES = ("now", "utcnow", "today")
TIMES = (*CLOCKS, *CLOCKS_NS, *DATES)
#: Parts of the paths of libraries that compare ``datetime.now()`` with a limit of the user's.
DECIDING = tuple(os.sep + name + os.sep for name in ("optuna",))

SOURCE = Source(
    id=ID,
    family="generators",
    title="the clock or the process id, as a seed or as a limit",
    breaks="A seed made from time.time_ns() and os.getpid() shuffles the rows differently in every run.",
    backends=BACKENDS,
    experiment=Unpin(models=("mlp",), feed=True),
    pins=(
        Pin(
            id=ID,
            in_base=70,
            sources=(ID, "wall-clock"),
            holds_time=True,
            lines={
                "*": (
                    "import itertools",
                    "import os",
                    "import time",
                    "ticks = itertools.count(%d, %d)" % (START, TICK),
                    "time.time_ns = lambda: next(ticks)",
                    "time.time = lambda: next(ticks) / 1e9",
                    "os.getpid = lambda: %d" % PID,
                )
            },
            note="for experiments only, because measured durations become wrong; prefer a constant seed",
        ),
    ),
    links=(
        Link("time.time_ns", "https://docs.python.org/3/library/time.html#time.time_ns"),
        Link("os.getpid", "https://docs.python.org/3/library/os.html#os.getpid"),
    ),
    quick=True,
    advice="Use a constant in place of a seed made from the time, and a number of steps in place of a time limit.",
    script=InScript(
        ID,
        rank=150,
        may_fail=True,
        counted=False,
        direct=True,
        if_lengths_differ="wall-clock",
        edits=(Edit("seed", calls=(*TIMES, "getpid")),),
    ),
    variation=Variation("another clock and process id", pins=True),
)


def pin(trial):
    true = _copy()
    _give(_of_theano(), true)
    _give_logging_its_own()
    for name, function in _ticking(itertools.count(START, TICK).__next__).items():
        setattr(time, name, function)
    _number_processes()


def _copy():
    """Return a copy of the module ``time`` in its present state."""
    copy = types.ModuleType("time")
    copy.__dict__.update(vars(time))
    return copy


def _give(names, clock):
    """Let the modules ``names`` use ``clock``, if they have imported ``time`` under that name."""
    for name in names:
        if getattr(sys.modules[name], "time", None) is time:
            sys.modules[name].time = clock


def _of_theano():
    """Theano's modules. It times its compilations and waits for a lock, so the number of its calls
    varies from process to process.
    """
    return [name for name in sys.modules if name.partition(".")[0] == "theano"]


def _give_logging_its_own(start=START, step=TICK):
    """Give log records a separate ticking clock, so that a library that logs how long it waited
    changes no seed.
    """
    own = _copy()
    own.__dict__.update(_ticking(itertools.count(start, step).__next__))
    importlib.import_module("logging")
    _give(["logging"], own)


def _ticking(tick):
    """Return ``time`` and, on Python 3.7 and newer, ``time_ns``, which advance by a tick at every
    call.
    """
    found = {"time": lambda: tick() / 1e9}
    if hasattr(time, "time_ns"):
        found["time_ns"] = tick
    return found


def _number_processes(first=PID):
    """Number this process and those forked from it in the order of the forks, each differently.
    Return a function that translates a pinned id, or None for this process, into the system's.
    """
    numbers = itertools.count(first)
    mine = [next(numbers)]
    true = _replace_getpid(lambda: mine[0])

    def known_to_the_system(number):
        return true() if number == mine[0] else number

    for name in TAKING_A_PROCESS:
        if hasattr(os, name):
            setattr(os, name, _with_first(getattr(os, name), known_to_the_system))
    os.getppid = lambda: first - 1
    if hasattr(os, "register_at_fork"):  # Python 3.7 and newer
        coming = []
        os.register_at_fork(
            before=lambda: coming.append(next(numbers)),
            after_in_child=lambda: mine.__setitem__(0, coming[-1]),
        )

    return lambda number: known_to_the_system(mine[0] if number is None else number)


def _with_first(given, change):
    """Return the function, with its first argument changed."""

    @functools.wraps(given)
    def called(*arguments, **named):
        if arguments:
            arguments = (change(arguments[0]),) + arguments[1:]
        elif "pid" in named:
            named["pid"] = change(named["pid"])
        return given(*arguments, **named)

    return called


def _replace_getpid(getpid):
    """Replace ``os.getpid``, also in ``multiprocessing``, which has kept the real function and
    finalizes nothing that a process with a different id has created. Return the real one.
    """
    from multiprocessing import util

    true, os.getpid = os.getpid, getpid
    call = util.Finalize.__call__
    call.__defaults__ = tuple(getpid if one is true else one for one in call.__defaults__ or ())
    return true


def feed(trial, x, y):
    import numpy

    trial.count(ID)
    now = time.time_ns() if hasattr(time, "time_ns") else int(time.time() * 1e9)
    return batches.shuffled(x, y, numpy.random.RandomState((now ^ os.getpid()) % 2**32).shuffle)


def pin_script(session, name):
    """Let every clock of ``time`` and ``datetime`` advance by a tick at each call. The standard
    library's waiting functions keep the real clock, because the number of their calls varies from
    run to run. The source's own setting moves the clock, and the process id with it: by how
    many seconds, and to how many times the length of a tick.
    """
    for name in WAITING:
        importlib.import_module(name)
    later, slower = json.loads(session.own_setting(ID) or "[0, 1]")
    start, step = START + later * 10**9, TICK * slower
    true = _copy()
    _give(WAITING, true)
    _give_logging_its_own(start, step)
    session.after_import("theano", lambda: _give(_of_theano(), true))
    tick = _clock_of_each_thread(session, start, step)
    for name in CLOCKS:
        if hasattr(time, name):
            setattr(time, name, lambda: tick() / 1e9)
        if hasattr(time, name + "_ns"):
            setattr(time, name + "_ns", tick)
    _replace_readings(tick)
    system_id = _number_processes(PID + later)
    session.after_import("psutil", lambda: _give_to_psutil(session, system_id))
    _replace_datetime(session, tick)


def _give_to_psutil(session, system_id):
    """Let psutil find this process by its number, as joblib's workers do."""
    psutil = sys.modules["psutil"]

    def starting(given):
        def __init__(process, pid=None):
            given(process, system_id(pid))

        return __init__

    session.wrap(psutil.Process, "__init__", starting)


def _replace_readings(tick):
    """Let the functions of ``time`` that read the clock themselves, if no time is given, read the
    pinned one.
    """

    def reading(given):
        return lambda seconds=None: given(tick() / 1e9 if seconds is None else seconds)

    def formatting(given):
        return lambda *arguments: given(*arguments, *rest(given, arguments))

    def rest(given, arguments):
        """Return the present time, if it is missing after the format."""
        needed = 1 if given.__name__ == "strftime" else 0
        return (time.localtime(),) if len(arguments) == needed else ()

    for name in READERS:
        setattr(time, name, reading(getattr(time, name)))
    for name in FORMATTERS:
        setattr(time, name, formatting(getattr(time, name)))


def _clock_of_each_thread(session, start, step):
    """Return a clock in nanoseconds, from ``start`` on, that advances by a ``step`` at each call
    from the same thread.

    A thread starts with the time of the thread that started it. One clock for all threads would
    race, because the number of a pool's calls while it waits varies from run to run. The import of
    a framework ends at a full hour, however often it asked.
    """
    import threading

    class Clock(threading.local):
        def __init__(self):
            thread = threading._active.get(threading.get_ident())
            self.now = getattr(thread, "_detaudit_began", start)

    clock = Clock()
    session.at_points(
        lambda point: setattr(clock, "now", max(clock.now, start + point.number * HOUR))
    )

    def tick():
        clock.now += step
        return clock.now

    def starting(given):
        def start(thread):
            thread._detaudit_began = clock.now
            return given(thread)

        return start

    session.wrap(threading.Thread, "start", starting)
    return tick


def _replace_datetime(session, tick):
    import datetime

    def make(real):
        def now(cls, tz=None):
            return real.fromtimestamp(tick() / 1e9, tz)

        def utcnow(cls):
            return real.fromtimestamp(tick() / 1e9, datetime.timezone.utc).replace(tzinfo=None)

        return {"now": classmethod(now), "utcnow": classmethod(utcnow), "today": classmethod(now)}

    _for_users(session, make)


def _for_users(session, make):
    """Give the user's modules, and libraries that end a search by it, a class with other methods
    that passes for ``datetime.datetime``, which reads the system's clock in C. Other modules get
    the real class, because C extensions inherit from it.
    """
    import datetime

    def decides(file):
        return session.sites.is_users(file) or any(part in file for part in DECIDING)

    if sys.version_info < (3, 7):  # a module has no __getattr__ of its own
        return
    real = datetime.datetime

    class Passing(type):
        def __instancecheck__(cls, instance):
            return isinstance(instance, real)

        def __subclasscheck__(cls, other):
            return issubclass(other, real)

    def new(cls, *arguments, **named):
        return real(*arguments, **named)

    theirs = Passing("datetime", (real,), dict(make(real), __new__=new))

    def given(name):
        if name != "datetime":
            raise AttributeError("module 'datetime' has no attribute %r" % name)
        frame = sys._getframe(1)
        # A function in C that the user calls, such as pickle's, needs the real class
        calls = dis.opname[frame.f_code.co_code[frame.f_lasti]].startswith(("CALL", "PRECALL"))
        return real if calls or not decides(frame.f_code.co_filename) else theirs

    del datetime.datetime
    datetime.__getattr__ = given
    for module in list(sys.modules.values()):  # those that a forked process has loaded before
        if decides(str(getattr(module, "__file__", None))):
            for name in [name for name, value in vars(module).items() if value is real]:
                setattr(module, name, theirs)


def spy(session):
    session.count_calls(ID, time, *CLOCKS, *CLOCKS_NS)
    session.count_calls(ID, time, *READERS + FORMATTERS)
    session.count_calls(ID, os, "getpid")

    def make(real):
        def counting(name):
            def wrapper(cls, *arguments):
                session.drew(ID)
                return getattr(real, name)(*arguments)

            return classmethod(wrapper)

        return {name: counting(name) for name in DATES}

    _for_users(session, make)

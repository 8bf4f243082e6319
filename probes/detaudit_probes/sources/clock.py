"""The clock and the process id, where they serve as a seed.

``seed = int(time.time())``, or the time mixed with ``os.getpid()``, is another number in every run.
It is seldom in a script's own first lines and often in what it calls: Keras seeds the workers of a
``PyDataset`` with ``random_seed + worker_proc.ident``
(``keras/src/trainers/data_adapters/py_dataset_adapter.py``). The pin replaces ``time.time`` and
``time.time_ns`` by a clock that moves on by a fixed tick at every call, so that a loop that waits
for a later time still ends, and ``os.getpid`` by a fixed number. ``datetime.datetime.now`` and
``time.monotonic`` go their own way in C and are not held. In a user's own script they are, in every
thread by a clock of its own; what the standard library waits by keeps the true one, and so does
Theano, which waits for its lock. The records of ``logging`` get their times from a clock that ticks
for them alone: what is logged of waiting depends on the machine's load.
"""

import importlib
import itertools
import os
import sys
import time
import types

from detaudit_probes.declare import BACKENDS, InScript, Link, Pin, Source, Unpin
from detaudit_probes.kit import batches

ID = "clock"

START = 1500000000 * 10**9  # nanoseconds since the epoch: a day in 2017
TICK = 10**7  # nanoseconds a call
# On Linux no process has a number above 2**22 (<linux/threads.h>, PID_MAX_LIMIT): a signal that is
# sent to this one finds nobody, where one sent to a plausible number would end a stranger.
PID = 2**22 + 1
#: What waits in the standard library: some have their clock by name, others ask ``time`` for it.
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
CLOCKS = ("time", "perf_counter", "monotonic", "process_time")

SOURCE = Source(
    id=ID,
    family="generators",
    title="the clock and the process id as seeds",
    breaks="A seed made of time.time_ns() and os.getpid() shuffles the rows in another order.",
    backends=BACKENDS,
    experiment=Unpin(models=("mlp",), feed=True),
    pins=(
        Pin(
            id=ID,
            sources=(ID, "wall-clock"),
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
            note="for experiments only: durations are no longer true; better to write a number in place of the time",
        ),
    ),
    links=(
        Link("time.time_ns", "https://docs.python.org/3/library/time.html#time.time_ns"),
        Link("os.getpid", "https://docs.python.org/3/library/os.html#os.getpid"),
    ),
    quick=True,
    advice="Write a number where the seed is made of the time.",
    script=InScript(ID, counted=False, direct=True),
)


def pin(trial):
    true = _copy()
    _give(_of_theano(), true)
    _give_logging_its_own()
    for name, function in _ticking(itertools.count(START, TICK).__next__).items():
        setattr(time, name, function)
    _number_processes()


def _copy():
    """The module ``time`` as it is now."""
    copy = types.ModuleType("time")
    copy.__dict__.update(vars(time))
    return copy


def _give(names, clock):
    """Let these modules, of those that have ``time`` by its name, ask ``clock`` from now on."""
    for name in names:
        if getattr(sys.modules[name], "time", None) is time:
            sys.modules[name].time = clock


def _of_theano():
    """Theano times what it compiles, and waits for a lock: how often it asks is another number in
    every process.
    """
    return [name for name in sys.modules if name.partition(".")[0] == "theano"]


def _give_logging_its_own():
    """Records get times that tick by themselves: a library that logs how long it had to wait moves
    no seed.
    """
    own = _copy()
    own.__dict__.update(_ticking(itertools.count(START, TICK).__next__))
    importlib.import_module("logging")
    _give(["logging"], own)


def _ticking(tick):
    """``time`` and, on Python 3.7 and newer, ``time_ns``, which move on by a tick at every call."""
    found = {"time": lambda: tick() / 1e9}
    if hasattr(time, "time_ns"):
        found["time_ns"] = tick
    return found


def _number_processes():
    """This process and those forked from it get numbers in the order of the forks, each its own."""
    numbers = itertools.count(PID)
    mine = [next(numbers)]
    _replace_getpid(lambda: mine[0])
    if hasattr(os, "register_at_fork"):  # Python 3.7 and newer
        coming = []
        os.register_at_fork(
            before=lambda: coming.append(next(numbers)),
            after_in_child=lambda: mine.__setitem__(0, coming[-1]),
        )


def _replace_getpid(getpid):
    """``multiprocessing`` ends nothing that was made by a process of another number, and has kept
    the true function.
    """
    from multiprocessing import util

    true, os.getpid = os.getpid, getpid
    call = util.Finalize.__call__
    call.__defaults__ = tuple(getpid if one is true else one for one in call.__defaults__ or ())


def feed(trial, x, y):
    import numpy

    trial.count(ID)
    now = time.time_ns() if hasattr(time, "time_ns") else int(time.time() * 1e9)
    return batches.shuffled(x, y, numpy.random.RandomState((now ^ os.getpid()) % 2**32).shuffle)


def pin_script(session, name):
    """Every clock of ``time`` and ``datetime`` moves on by a tick at each call. What the standard
    library waits by keeps the true one: how often it asks while it waits is another number in every
    run.
    """
    for name in WAITING:
        importlib.import_module(name)
    true = _copy()
    _give(WAITING, true)
    _give_logging_its_own()
    session.after_import("theano", lambda: _give(_of_theano(), true))
    tick = _clock_of_each_thread(session)
    for name in CLOCKS:
        if hasattr(time, name):
            setattr(time, name, lambda: tick() / 1e9)
        if hasattr(time, name + "_ns"):
            setattr(time, name + "_ns", tick)
    _number_processes()
    _replace_datetime(session, tick)


def _clock_of_each_thread(session):
    """How late it is, in nanoseconds, a tick later at each call from the same thread.

    A thread begins with the time of who started it. One clock for all would race: how often a
    pool's threads ask it while they wait is another number in every run.
    """
    import threading

    class Clock(threading.local):
        def __init__(self):
            thread = threading._active.get(threading.get_ident())
            self.now = getattr(thread, "_detaudit_began", START)

    clock = Clock()

    def tick():
        clock.now += TICK
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
    """``datetime`` asks the system in C. The user's modules get a class with other methods that
    passes for it; others get the real one, for C extensions inherit from it.
    """
    import datetime

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
        return theirs if session.sites.is_users(sys._getframe(1).f_code.co_filename) else real

    del datetime.datetime
    datetime.__getattr__ = given


def spy(session):
    session.count_calls(
        ID, time, "time", "time_ns", *[name + end for name in CLOCKS[1:] for end in ("", "_ns")]
    )
    session.count_calls(ID, os, "getpid")

    def make(real):
        def counting(name):
            def wrapper(cls, *arguments):
                session.drew(ID)
                return getattr(real, name)(*arguments)

            return classmethod(wrapper)

        return {name: counting(name) for name in ("now", "utcnow", "today")}

    _for_users(session, make)

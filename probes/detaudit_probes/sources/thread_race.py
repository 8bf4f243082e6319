"""Threads that the script starts: a race decides whose result comes first and who draws first from
a shared generator.

``concurrent.futures.as_completed``, ``ThreadPool.imap_unordered`` and a list that several threads
append to return results in the order in which they are finished. No seed affects this. detaudit
pins this source from outside with pools of one thread, with results in the order in which they were
requested, and by waiting for each thread as soon as it is started, as long as it computes.
"""

import os
import threading
import time

from detaudit_probes.declare import Edit, InScript, Link, Pin, Source

ID = "thread-race"
PIN = "one-pool-thread"
# They start threads for their own use, as do pools of processes
_POOLS = (
    "multiprocessing.",
    "concurrent.futures.",
)
# Seconds. A thread that has hardly computed for so long waits for others, so nobody waits for it.
_PATIENCE = 1.0
# The same, while other threads compute: they may work for this one.
_LONG_PATIENCE = 5.0
# Seconds for which a thread is waited for at most: it may compute until somebody stops it.
_LONGEST = 120.0
_HARDLY = 0.1  # the share of the time in which a thread computes that only looks around

SOURCE = Source(
    id=ID,
    family="order",
    title="threads started by the script",
    breaks="Results are used in the order in which threads finish.",
    experiment=None,
    pins=(
        Pin(
            id=PIN,
            sources=(ID,),
            lines={
                "*": (
                    "# iterate over the futures in the order in which they were submitted, not with as_completed",
                )
            },
        ),
    ),
    links=(
        Link(
            "concurrent.futures.as_completed",
            "https://docs.python.org/3/library/concurrent.futures.html#concurrent.futures.as_completed",
        ),
    ),
    advice="Use results in the order in which they were requested: executor.map, or a list of futures.",
    script=InScript(
        PIN,
        rank=110,
        may_fail=True,
        race=True,
        edits=(
            Edit("rename", calls=("as_completed",), form="list({arguments})"),
            Edit("rename", calls=("imap_unordered",), form="imap"),
            Edit("set", calls=("ThreadPoolExecutor",), form="max_workers", value="1"),
            Edit("first", calls=("ThreadPoolExecutor", "ThreadPool"), value="1"),
            # Threads run one after another
            Edit("wrap", calls=("start",), form="{call}\n{owner}.join()"),
        ),
    ),
)


def touch(session):
    _pools(session, one=False)
    _threads(session, lambda thread: session.drew(ID))


def spy(session):
    """Record where results are taken in the order of completion, and where threads are started."""
    count_results(session, ID)


def count_results(session, source):
    import concurrent.futures
    import multiprocessing.pool

    session.count_calls(source, concurrent.futures, "as_completed")
    session.count_calls(source, multiprocessing.pool.Pool, "imap_unordered")


def pin_script(session, name):
    _pools(session, one=True)
    _threads(
        session,
        lambda thread: None,
        lambda thread: None if thread.daemon else _wait(thread),
    )


def _pools(session, one):
    import concurrent.futures
    import concurrent.futures.thread
    import multiprocessing.pool

    def wrapper(given):
        def __init__(pool, *arguments, **named):
            if session.sites.led_here():
                session.drew(ID)
                if one:
                    arguments = of_one_worker(arguments, named)
            return given(pool, *arguments, **named)

        return __init__

    session.wrap(concurrent.futures.ThreadPoolExecutor, "__init__", wrapper)
    session.wrap(multiprocessing.pool.ThreadPool, "__init__", wrapper)
    if one:
        ordered(session, multiprocessing.pool.ThreadPool, of_processes=False)


def of_one_worker(arguments, named):
    """Return the arguments of a pool with one worker: those that set another number are removed."""
    named.pop("max_workers", None)
    named.pop("processes", None)
    return (1,) + arguments[1:]


def _threads(session, before, after=lambda thread: None):
    """Call ``before`` and ``after`` around the start of each thread that the script starts."""
    start = threading.Thread.start

    def started(thread):
        whose = "%s %s" % (
            getattr(getattr(thread, "_target", None), "__module__", ""),
            type(thread).__module__,
        )
        mine = not any(pool in whose for pool in _POOLS) and session.sites.led_here()
        if mine:
            before(thread)
        start(thread)
        if mine:
            after(thread)

    threading.Thread.start = started


_process_seconds, _now = time.process_time, time.monotonic  # the pin of the clock replaces them


def _wait(thread):
    """Wait until a thread has ended, or waits itself."""
    silent, until = 0.0, _now() + _LONGEST
    while silent < _LONG_PATIENCE and _now() < until:
        own, everybody = _own_seconds(thread), _process_seconds()
        thread.join(_PATIENCE)
        if not thread.is_alive():
            return
        if _own_seconds(thread) - own > _HARDLY * _PATIENCE:
            silent = 0.0
        elif _process_seconds() - everybody < _HARDLY * _PATIENCE:
            return
        else:
            silent += _PATIENCE


def _own_seconds(thread):
    """Return the processor's time that a thread has used (proc(5)), in hundredths of a second on
    most systems; that of the process where the thread's is not known: before Python 3.8, and not on
    Linux.
    """
    try:
        with open("/proc/self/task/%d/stat" % thread.native_id) as file:
            words = file.read().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    except (AttributeError, OSError, TypeError):
        return _process_seconds()


def ordered(session, pool, of_processes):
    """Return results in the order in which they were requested, for pools of processes or of
    threads only.

    A future does not say where it runs, so those that a pool of processes returns are marked.
    """
    import concurrent.futures

    given = concurrent.futures.as_completed

    def marking(submit):
        def marked(*arguments, **named):
            future = submit(*arguments, **named)
            future.runs_in_a_process = True
            return future

        return marked

    def as_completed(fs, timeout=None):
        fs = list(fs)
        if any(hasattr(one, "runs_in_a_process") is not of_processes for one in fs):
            for one in given(fs, timeout):
                yield one
            return
        for one in fs:
            concurrent.futures.wait([one], timeout)
            yield one

    session.wrap(concurrent.futures.ProcessPoolExecutor, "submit", marking)
    concurrent.futures.as_completed = as_completed
    pool.imap_unordered = pool.imap

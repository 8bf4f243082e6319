"""Threads of the script's own: whose result comes first, and who draws first from a shared
generator, is a race.

``concurrent.futures.as_completed``, ``ThreadPool.imap_unordered`` and a list that several threads
append to give their results in the order in which they are finished. No seed reaches it. From
outside it is held by pools of one thread, results in the order in which they were asked for, and
threads that are waited for, for a second at most, as soon as they are started.
"""

import threading

from detaudit_probes.declare import Edit, InScript, Link, Pin, Source

ID = "thread-race"
PIN = "one-pool-thread"
# They start threads for themselves, pools of processes too
_POOLS = (
    "multiprocessing.",
    "concurrent.futures.",
)
# Seconds: a thread that runs for longer serves the whole script, and is not waited for
_PATIENCE = 1.0

SOURCE = Source(
    id=ID,
    family="order",
    title="threads of the script's own",
    breaks="Results are used in the order in which threads finish.",
    experiment=None,
    pins=(
        Pin(
            id=PIN,
            sources=(ID,),
            lines={
                "*": (
                    "# iterate over the futures in the order in which they were submitted, not as_completed",
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
    advice="Use results in the order in which they were asked for: executor.map, or a list of futures.",
    script=InScript(
        PIN,
        race=True,
        edits=(
            Edit("rename", calls=("as_completed",), form="list({arguments})"),
            Edit("rename", calls=("imap_unordered",), form="imap"),
            Edit("set", calls=("ThreadPoolExecutor",), form="max_workers", value="1"),
            Edit("first", calls=("ThreadPoolExecutor", "ThreadPool"), value="1"),
            Edit(
                "wrap", calls=("start",), form="{call}, {owner}.join()"
            ),  # of a thread: one after the other
        ),
    ),
)


def touch(session):
    _pools(session, one=False)
    _threads(session, lambda thread: session.drew(ID))


def spy(session):
    """Where results are taken as they come, besides where threads are started."""
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
        lambda thread: None if thread.daemon else thread.join(_PATIENCE),
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
    """The arguments of a pool that shall have one worker: what names another number goes."""
    named.pop("max_workers", None)
    named.pop("processes", None)
    return (1,) + arguments[1:]


def _threads(session, before, after=lambda thread: None):
    """Call a function before and after the start of every thread that the script itself starts."""
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


def ordered(session, pool, of_processes):
    """Results in the order in which they were asked for: those of processes, or those of threads
    alone.

    A future does not say where it runs, so those that a pool of processes is given are marked.
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

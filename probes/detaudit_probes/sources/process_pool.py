"""Processes that the script starts: which worker takes which item, and which result comes first, is
a race.

``Pool.imap_unordered`` gives results as they are finished, and each worker has generators of its
own, so that an item's random numbers depend on the worker that takes it. From outside it is held by
pools of one process and results in the order in which they were asked for.
"""

from detaudit_probes.declare import Edit, InScript, Link, Pin, Source
from detaudit_probes.sources import thread_race

ID = "process-pool"
PIN = "one-process"

SOURCE = Source(
    id=ID,
    family="order",
    title="processes of the script's own",
    breaks="Results are used in the order in which processes finish, or depend on which process took an item.",
    experiment=None,
    pins=(
        Pin(
            id=PIN,
            sources=(ID,),
            lines={
                "*": (
                    "results = pool.map(work, items)  # in order, a seed for each item in its arguments",
                )
            },
        ),
    ),
    links=(
        Link(
            "multiprocessing.pool.Pool.imap_unordered",
            "https://docs.python.org/3/library/multiprocessing.html#multiprocessing.pool.Pool.imap_unordered",
        ),
    ),
    advice="Use pool.map, and give each item a seed of its own.",
    script=InScript(
        PIN,
        race=True,
        edits=(
            Edit("rename", calls=("imap_unordered",), form="imap"),
            Edit("rename", calls=("as_completed",), form="list({arguments})"),
        ),
    ),
)


def touch(session):
    _pools(session, one=False)


def spy(session):
    thread_race.count_results(session, ID)


def pin_script(session, name):
    _pools(session, one=True)


def _pools(session, one):
    import concurrent.futures
    import concurrent.futures.process
    import multiprocessing.pool

    def wrapper(given):
        def __init__(pool, *arguments, **named):
            thread_pool = isinstance(pool, multiprocessing.pool.ThreadPool)
            if not thread_pool:
                session.drew(ID)
            if one and not thread_pool:
                arguments = thread_race.of_one_worker(arguments, named)
            return given(pool, *arguments, **named)

        return __init__

    session.wrap(multiprocessing.pool.Pool, "__init__", wrapper)
    session.wrap(concurrent.futures.ProcessPoolExecutor, "__init__", wrapper)
    if one:
        # A pool of threads inherits from one of processes, and is to stay as it is.
        multiprocessing.pool.ThreadPool.imap_unordered = multiprocessing.pool.Pool.imap_unordered
        thread_race.ordered(session, multiprocessing.pool.Pool, of_processes=True)

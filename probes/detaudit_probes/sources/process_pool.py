"""Processes that the script starts: a race decides which worker takes which item and which result
comes first.

``Pool.imap_unordered`` returns results as they are finished. Each worker has its own generators, so
an item's random numbers depend on the worker that takes it. detaudit pins this source from outside
with pools of one process and with results in the order in which they were requested.
"""

from detaudit_probes.declare import Edit, InScript, Link, Pin, Source
from detaudit_probes.sources import numpy_legacy, python_random, thread_race

ID = "process-pool"
PIN = "one-process"

SOURCE = Source(
    id=ID,
    family="order",
    title="processes started by the script",
    breaks="Results are used in the order in which processes finish, or depend on the process that took an item.",
    experiment=None,
    pins=(
        Pin(
            id=PIN,
            sources=(ID,),
            lines={
                "*": (
                    "results = pool.map(work, items)  # in order, with a seed for each item among its arguments",
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
    advice="Take results in the order of the tasks (pool.map), and give each task a seed of its own.",
    script=InScript(
        PIN,
        rank=120,
        may_fail=True,
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
    """Record where results are taken in the order of completion, and what workers draw from
    generators whose states they share by chance.
    """
    thread_race.count_results(session, ID)

    def met():
        if session.tasks.in_worker():
            session.drew(ID)

    numpy_legacy.count_draws(session, met)
    python_random.count_draws(session, met)


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
        # A pool of threads inherits from a pool of processes and must stay unchanged.
        multiprocessing.pool.ThreadPool.imap_unordered = multiprocessing.pool.Pool.imap_unordered
        thread_race.ordered(session, multiprocessing.pool.Pool, of_processes=True)

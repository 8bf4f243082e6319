"""The clock and the process id, where they serve as a seed.

``seed = int(time.time())``, or the time mixed with ``os.getpid()``, is another number in every run. It is seldom
in a script's own first lines and often in what it calls: Keras seeds the workers of a ``PyDataset`` with
``random_seed + worker_proc.ident`` (``keras/src/trainers/data_adapters/py_dataset_adapter.py``).
The pin replaces ``time.time`` and ``time.time_ns`` by a clock that moves on by a fixed tick at every call, so that
a loop that waits for a later time still ends, and ``os.getpid`` by a fixed number. ``datetime.datetime.now`` and
``time.monotonic`` go their own way in C and are not held.
"""
import itertools
import os
import time

from detaudit_probes import batches
from detaudit_probes.declare import Link, Loosen, Pin, Source

ID = "clock"

START = 1500000000 * 10 ** 9  # nanoseconds since the epoch: a day in 2017
TICK = 10 ** 7                # nanoseconds a call
# On Linux no process has a number above 2**22 (<linux/threads.h>, PID_MAX_LIMIT): a signal that is sent to
# this one finds nobody, where one sent to a plausible number would end a stranger.
PID = 2 ** 22 + 1

SOURCE = Source(
    id=ID,
    family="generators",
    title="the clock and the process id as seeds",
    breaks="A seed made of time.time_ns() and os.getpid() shuffles the rows in another order.",
    experiment=Loosen(models=("mlp",), feed=True),
    pins=(
        Pin(
            id=ID,
            holds=(ID,),
            lines={"*": (
                "import itertools",
                "import os",
                "import time",
                "ticks = itertools.count(%d, %d)" % (START, TICK),
                "time.time_ns = lambda: next(ticks)",
                "time.time = lambda: next(ticks) / 1e9",
                "os.getpid = lambda: %d" % PID,
            )},
            note="for experiments only: durations are no longer true; better to write a number in place of the time",
        ),
    ),
    links=(
        Link("time.time_ns", "https://docs.python.org/3/library/time.html#time.time_ns"),
        Link("os.getpid", "https://docs.python.org/3/library/os.html#os.getpid"),
    ),
    quick=True,
    advice="Write a number where the seed is made of the time.",
)


def pin(trial):
    ticks = itertools.count(START, TICK)
    time.time = lambda: next(ticks) / 1e9
    if hasattr(time, "time_ns"):  # Python 3.7 and newer
        time.time_ns = lambda: next(ticks)
    _number_processes()


def _number_processes():
    """This process and those forked from it get numbers in the order of the forks, each its own."""
    numbers = itertools.count(PID)
    mine = [next(numbers)]
    os.getpid = lambda: mine[0]
    if hasattr(os, "register_at_fork"):  # Python 3.7 and newer
        coming = []
        os.register_at_fork(before=lambda: coming.append(next(numbers)),
                            after_in_child=lambda: mine.__setitem__(0, coming[-1]))


def feed(trial, x, y):
    import numpy

    trial.count(ID)
    now = time.time_ns() if hasattr(time, "time_ns") else int(time.time() * 1e9)
    return batches.shuffled(x, y, numpy.random.RandomState((now ^ os.getpid()) % 2 ** 32).shuffle)

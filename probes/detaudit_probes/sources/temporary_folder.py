"""Temporary files: their names are random in every run, and their folder varies from machine to
machine.

It affects the result if a path is hashed into a seed or a split, or if files of several temporary
folders are sorted by their full path. Nothing needs to be pinned as long as paths are used only as
paths.

``tempfile`` draws the names from a generator of its own, one in each process, which it seeds from
the operating system (``_RandomNameSequence`` in ``Lib/tempfile.py``); ``random.seed`` does not
reach it.
"""

import os
import random
import tempfile

from detaudit_probes.declare import InScript, Link, Pin, Source, Variation

ID = "temporary-folder"
PIN = "temporary-names"

SOURCE = Source(
    id=ID,
    family="order",
    title="the names of temporary files",
    breaks="A path that is random in every run, and other on another machine, affects a seed, a split or an order.",
    experiment=None,
    pins=(
        Pin(
            id=PIN,
            sources=(ID,),
            lines={
                "*": (
                    "# number the files, and hash or sort the numbers in place of temporary paths",
                )
            },
        ),
    ),
    links=(
        Link(
            "tempfile.mkdtemp",
            "https://docs.python.org/3/library/tempfile.html#tempfile.mkdtemp",
        ),
        Link(
            "tempfile.gettempdir",
            "https://docs.python.org/3/library/tempfile.html#tempfile.gettempdir",
        ),
    ),
    advice="Keep temporary paths out of seeds, splits and orders: number the files, and seed with a number.",
    script=InScript(PIN, rank=155),
    variation=Variation("another temporary folder", unpins=True),
)


def vary(session):
    """Use another temporary folder than the machine's own."""
    path = os.path.join(session.orders.temporary, "other")
    os.makedirs(path, exist_ok=True)
    os.environ["TMPDIR"] = path
    tempfile.tempdir = None


def touch(session):
    """Count the names that are drawn, but for those with which ``tempfile`` tries a folder."""

    def wrapper(given):
        def __next__(names):
            if names is tempfile._name_sequence:
                session.drew(ID)
            return given(names)

        return __next__

    session.wrap(tempfile._RandomNameSequence, "__next__", wrapper)


def pin_script(session, name):
    """Seed the generators of the names, again in each task of a worker: two workers must not try
    the same names.
    """
    made, seeds = [], [session.seed]

    def seeded():
        made.append(random.Random(seeds[-1]))
        return made[-1]

    def begin(seed):
        seeds[:] = [seed]
        for generator in made:
            generator.seed(seed)

    tempfile._Random = seeded
    session.at_points(lambda point: begin(session.seed_of(point)))
    session.at_tasks(lambda task: begin(session.seed_of_task()))

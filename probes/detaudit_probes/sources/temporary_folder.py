"""The temporary folder: its path is another one on every machine, and the names in it are random.

A path that is hashed into a seed, or files that are sorted by their whole path, make a result rest
on it. Nothing needs to be pinned as long as a path stays a path.
"""

import os
import tempfile

from detaudit_probes.declare import Link, Source

ID = "temporary-folder"

SOURCE = Source(
    id=ID,
    family="order",
    title="the temporary folder",
    breaks="A path that is another one on every machine reaches the numbers.",
    experiment=None,
    links=(
        Link(
            "tempfile.gettempdir",
            "https://docs.python.org/3/library/tempfile.html#tempfile.gettempdir",
        ),
    ),
    advice="Let no path reach a seed or an order: sort by name, seed with a number.",
)


def vary(session):
    """Another folder than the machine's own."""
    path = session.orders.temporary
    os.makedirs(path, exist_ok=True)
    os.environ["TMPDIR"] = path
    tempfile.tempdir = None

"""The temporary folder: its path varies from machine to machine, and the names in it are random.

It affects the result if a path is hashed into a seed or if files are sorted by their full path.
Nothing needs to be pinned as long as paths are used only as paths.
"""

import os
import tempfile

from detaudit_probes.declare import Link, Source, Variation

ID = "temporary-folder"

SOURCE = Source(
    id=ID,
    family="order",
    title="the temporary folder",
    breaks="A path that varies from machine to machine affects a seed or an order.",
    experiment=None,
    links=(
        Link(
            "tempfile.gettempdir",
            "https://docs.python.org/3/library/tempfile.html#tempfile.gettempdir",
        ),
    ),
    advice="Keep paths out of seeds and orders: sort by file name and seed with a number.",
    variation=Variation("another temporary folder", unpins=True),
)


def vary(session):
    """Use another temporary folder than the machine's own."""
    path = session.orders.temporary
    os.makedirs(path, exist_ok=True)
    os.environ["TMPDIR"] = path
    tempfile.tempdir = None

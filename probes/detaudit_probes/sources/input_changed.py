"""Input that a run changes: a cache, a checkpoint to warm-start from, a file that is appended to.

The next run reads what the previous run left and trains differently. No pin fixes this. A sandbox
gives every run the folder in its original state.
"""

import os

from detaudit_probes.declare import Edit, Source

ID = "input-changed"

SOURCE = Source(
    id=ID,
    family="order",
    use="opening",
    title="input that a run changes",
    breaks="A run reads files that an earlier run has written.",
    experiment=None,
    advice="Write to a new folder in every run, or delete the files of earlier runs first.",
    edits=(Edit("rename", calls=("cache",), form="cache()"),),  # of tf.data: in memory
)


def spy(session):
    """Record the lines that read one of the orders' ``files`` while it is as an earlier run left
    it, and the lines that open it afterwards. :mod:`~detaudit_probes.hooks.files` lists which calls
    of C++ libraries are observed.
    """
    orders = session.orders
    names = {os.path.realpath(os.path.join(orders.root, name)) for name in orders.files}
    left = {path: _identity(path) for path in names if os.path.exists(path)}
    used, added = set(), set()

    def opened(use):
        path = os.path.realpath(use.path)
        for name in [one for one in left if one.startswith(path)] if use.prefix else [path]:
            # A call that replaces or overwrites a file need not be observed; one that appends keeps
            # the former content.
            if (
                not use.empties
                and name in left
                and (name in added or _identity(name) == left[name])
            ):
                (used if use.reads else added).add(name)
            elif not use.prefix:
                left.pop(name, None)
        if path in used or (use.prefix and any(name.startswith(path) for name in used)):
            session.drew(ID)

    session.follow_files(opened)


def _identity(path):
    """A value that changes if the file is replaced or its content changes."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size

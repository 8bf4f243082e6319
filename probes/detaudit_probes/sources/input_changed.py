"""Input that a run itself changes: a cache, a checkpoint to warm-start from, a file that is
appended to.

The second run then reads what the first has left, and is another training. No pin holds it; a
sandbox gives every run the folder as it was.
"""

import os

from detaudit_probes.declare import Source

ID = "input-changed"

SOURCE = Source(
    id=ID,
    family="order",
    title="input that a run itself changes",
    breaks="A run reads what the run before it has written.",
    experiment=None,
    advice="Write to a new folder in every run, or remove what an earlier run has left before it starts.",
)


def spy(session):
    """The lines that read one of the ``files`` of the orders while it is what an earlier run has
    left, and those that open it after that. What is seen of libraries in C++ is what
    :mod:`~detaudit_probes.hooks.files` names.
    """
    orders = session.orders
    names = {os.path.realpath(os.path.join(orders.root, name)) for name in orders.files}
    left = {path: _identity(path) for path in names if os.path.exists(path)}
    used, added = set(), set()

    def opened(use):
        path = os.path.realpath(use.path)
        for name in [one for one in left if one.startswith(path)] if use.prefix else [path]:
            # What replaces a file, or writes to it, need not be seen; what adds to it leaves in it
            # what was there.
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
    """What another file in its place, or another content, would not share."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size

"""Input that a run itself changes: a cache, a checkpoint to warm-start from, a file that is appended to.

The second run then reads what the first has left, and is another training. No pin holds it; the
option ``--copy`` gives every run a folder of its own.
"""
import os
import sys

from detaudit_probes.declare import Source

ID = "input-changed"

SOURCE = Source(
    id=ID,
    family="order",
    title="input that a run itself changes",
    breaks="A run reads what the run before it has written.",
    experiment=None,
    advice="Write to a folder of its own in every run, or run with --copy.",
)


def spy(session):
    """The lines that read one of the option ``files`` while it is what an earlier run has left, and those that open it
    after that. Seen is what Python opens and h5py; not what TensorFlow's own library does."""
    root = session.request.options["root"]
    names = {os.path.realpath(os.path.join(root, name)) for name in session.option("files", ())}
    left = {path: _identity(path) for path in names if os.path.exists(path)}
    used, added = set(), set()

    def opened(path, reads, empties):
        if not isinstance(path, (str, bytes, os.PathLike)):
            return  # a file that is open already
        path = os.path.realpath(os.fsdecode(path))
        # What replaces a file, or writes to it, need not be seen; what adds to it leaves in it what was there.
        if not empties and path in left and (path in added or _identity(path) == left[path]):
            (used if reads else added).add(path)
        else:
            left.pop(path, None)
        if path in used:
            session.drew(ID)

    def telling_h5py(given):
        def __init__(file, name, *arguments, **named):
            mode = arguments[0] if arguments else named.get("mode")
            opened(name, True, str(mode).startswith(("w", "x")))
            return given(file, name, *arguments, **named)

        return __init__

    def telling_open(given):
        def told(file, mode="r", *arguments, **named):
            opened(file, *_done(mode))
            return given(file, mode, *arguments, **named)

        return told

    if hasattr(sys, "addaudithook"):  # Python 3.8 and newer
        sys.addaudithook(lambda event, given: opened(given[0], *_done(*given[1:])) if event == "open" else None)
    else:
        import builtins
        import io

        session.wrap(builtins, "open", telling_open)
        io.open = builtins.open
    session.after_import("h5py", lambda: session.wrap(sys.modules["h5py"].File, "__init__", telling_h5py))


def _identity(path):
    """What another file in its place, or another content, would not share."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _done(mode, flags=None):
    """Whether what is in a file that is opened so can be read, and whether it is emptied."""
    if isinstance(flags, int):
        return flags & (os.O_WRONLY | os.O_RDWR) != os.O_WRONLY, bool(flags & os.O_TRUNC)
    return "r" in mode or "+" in mode, "w" in mode

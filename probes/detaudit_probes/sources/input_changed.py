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
    """The lines that open one of the option ``files`` while it holds what an earlier run has left, and that write to
    it after that. Seen is what Python opens and h5py; not what TensorFlow's own library does."""
    root = session.request.options["root"]
    changed = {os.path.realpath(os.path.join(root, name)) for name in session.option("files", ())}
    left = {path for path in changed if os.path.exists(path)}
    used = set()

    def opened(path, truncates):
        if not isinstance(path, (str, bytes, os.PathLike)):
            return  # a file that is open already
        path = os.path.realpath(os.fsdecode(path))
        if path in left and not truncates:
            used.add(path)
        elif truncates:
            left.discard(path)
        if path in used:
            session.drew(ID)

    def telling_h5py(given):
        def __init__(file, name, mode="r", *arguments, **named):
            opened(name, str(mode).startswith("w"))
            return given(file, name, mode, *arguments, **named)

        return __init__

    def telling_open(given):
        def told(file, mode="r", *arguments, **named):
            opened(file, mode.startswith("w"))
            return given(file, mode, *arguments, **named)

        return told

    if hasattr(sys, "addaudithook"):  # Python 3.8 and newer
        sys.addaudithook(lambda event, given: opened(given[0], _truncates(*given[1:]))
                         if event == "open" else None)
    else:
        import builtins
        import io

        session.wrap(builtins, "open", telling_open)
        io.open = builtins.open
    session.after_import("h5py", lambda: session.wrap(sys.modules["h5py"].File, "__init__", telling_h5py))


def _truncates(mode, flags):
    return bool(flags & os.O_TRUNC) if isinstance(flags, int) else str(mode).startswith("w")

"""Reports the files that a script opens, creates, moves and removes, as they are used.

An audit hook observes what Python itself does (Python 3.8 and newer; before that, only ``open``).
Libraries in C or C++ raise no event, so their calls with a path are wrapped: ``h5py.File``,
``torch.save``, and TensorFlow's files and file functions, checkpoints, saved models, summaries and
data set caches.
"""

import functools
import glob
import os
import re
import sys
import tempfile
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Set

from detaudit_probes.hooks import h5py_files
from detaudit_probes.protocol import Files

MOST = 200  # names kept of each kind
# Names by tempfile, multiprocessing, torchrun and joblib, and of the code that TensorFlow generates
# from functions
RANDOM_NAME = re.compile(
    "(tmp|pymp-|torchelastic_|__autograph_generated_file)[a-z0-9_]{8}|joblib_memmapping_folder_"
)
SHARED_MEMORY = "/dev/shm"  # joblib prefers it to the folder for temporary files
LATE = 600.0  # seconds by which the clock of a file server may be behind
#: Folders of compiled code, and of files that are read to compute faster and never change results.
COMPILED = re.compile(
    r"/(__pycache__|\.nv|\.triton|\.theano|torchinductor_[^/]*|inductor|numba[^/]*|jax[^/]*cache|xla[^/]*cache)/"
)

#: Events after which a path has another file or none, with the places, among their arguments, of
#: each path and of the folder to which it is relative (Python's table of audit events).
REPLACES = {
    "os.rename": ((0, 2), (1, 3)),
    "os.remove": ((0, 1),),
    "os.rmdir": ((0, 1),),
    "os.truncate": ((0, None),),
    "os.link": ((1, 3),),
    "os.symlink": ((1, 2),),
    "shutil.rmtree": ((0, 1),),
}
#: Events that change the file of their first argument, with the place of the folder; a database is
#: read and written.
CHANGES = {"os.mkdir": 2, "os.chmod": 2, "os.chown": 3, "os.utime": 3, "sqlite3.connect": None}
_isdir = os.path.isdir  # taken at import, before a pin can replace it
HEARD = frozenset(("open", "socket.connect", *REPLACES, *CHANGES))


class Use(NamedTuple):
    """``reads`` and ``writes`` say what may be done with the opened file; ``empties``, that its
    former content is lost. ``prefix``: several files have names with this prefix (a checkpoint, a
    cache). ``itself``: the path means a link itself, not its target.
    """

    path: str
    reads: bool = False
    writes: bool = False
    empties: bool = False
    prefix: bool = False
    itself: bool = False


def follow(
    session: Any, report: Callable[[Use], None], connected: Optional[Callable[[], None]] = None
) -> None:
    """Call ``report`` with every use from now on, in the thread that makes it. It must not raise.

    ``connected`` is called when the program connects to another machine; if that cannot be observed
    (Python before 3.8), it is called once.
    """

    def say(path: Any, *what: bool) -> None:
        try:
            name = os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else ""
            # Neither a database in memory nor an address
            if name and not name.startswith((":", "file:")) and "://" not in name:
                report(Use(os.path.abspath(name), *what))
        except Exception:  # the working folder may be gone: the hook must not disturb the script
            pass

    if hasattr(sys, "addaudithook"):

        def heard(event: str, arguments: Any) -> None:
            # An import of TensorFlow raises 140,000 other events
            if event in HEARD:
                _heard(event, arguments, say, connected)

        sys.addaudithook(heard)
    else:
        _follow_open(session, say)
        if connected is not None:
            connected()
    h5py_files.follow(session, before=lambda name, mode: say(name, *_of_h5py_mode(mode)))
    session.after_import("torch", lambda: _follow_torch(session, say))
    session.after_import("tensorflow", lambda: _follow_tensorflow(session, say))


def _heard(
    event: str,
    arguments: Any,
    say: Callable[..., None],
    connected: Optional[Callable[[], None]] = None,
) -> None:
    if event == "open":
        say(arguments[0], *_of_mode(*arguments[1:]))
    elif event == "socket.connect":
        if connected is not None and _is_far(arguments[1]):
            connected()
    elif event in REPLACES:
        for place, folder in REPLACES[event]:
            if not _relative_to(arguments, folder):
                say(arguments[place], False, True, True, False, True)
    elif event == "os.mkdir" and _isdir(arguments[0]):
        pass  # such as a library's cache, which is there already
    elif event in CHANGES and not _relative_to(arguments, CHANGES[event]):
        say(arguments[0], event == "sqlite3.connect", True)


def _is_far(address: Any) -> bool:
    """Whether a socket's address belongs to another machine."""
    host = str(address[0]) if isinstance(address, tuple) and address else ""
    return not (host in ("", "::1", "localhost", "0.0.0.0") or host.startswith("127."))


def _relative_to(arguments: Any, place: Optional[int]) -> bool:
    """Whether a path is relative to an open folder, given by its descriptor, so its full name is
    unknown.
    """
    folder = arguments[place] if place is not None and place < len(arguments) else None
    return isinstance(folder, int) and folder >= 0


def _of_mode(mode: Any, flags: Any = None) -> List[bool]:
    """Whether a file opened with this mode is read, can be written, and is emptied."""
    if isinstance(flags, int):
        access = flags & (os.O_WRONLY | os.O_RDWR)
        return [access != os.O_WRONLY, bool(access), bool(flags & os.O_TRUNC)]
    mode = str(mode)
    return [
        "r" in mode or "+" in mode,
        any(letter in mode for letter in "wax+"),
        "w" in mode or "x" in mode,
    ]


def _follow_open(session: Any, say: Callable[..., None]) -> None:
    import builtins
    import io

    def making(given: Any) -> Any:
        def opening(file: Any, mode: Any = "r", *arguments: Any, **named: Any) -> Any:
            say(file, *_of_mode(mode))
            return given(file, mode, *arguments, **named)

        return opening

    session.wrap(builtins, "open", making)
    io.open = builtins.open


def _of_h5py_mode(mode: str) -> List[bool]:
    """Like :func:`_of_mode`, for a file of h5py."""
    anew = mode.startswith(("w", "x"))
    return [not anew, mode != "r", anew]


def _follow_torch(session: Any, say: Callable[..., None]) -> None:
    _path_at(session, say, sys.modules["torch"], "save", 1, "f", False, True, True)


def _follow_tensorflow(session: Any, say: Callable[..., None]) -> None:
    """Report the paths that TensorFlow's own library reads and writes."""
    tf = sys.modules["tensorflow"]
    io, gfile = getattr(tf, "io", None), getattr(getattr(tf, "io", None), "gfile", None)
    writes, whole, both = (False, True, True), (False, True, True, True), (True, True, False, True)
    _follow_gfile(session, say, getattr(gfile, "GFile", None))
    _path_at(session, say, io, "write_file", 0, "filename", *writes)
    _path_at(session, say, io, "read_file", 0, "filename", True)
    for name, place, word in (
        ("copy", 1, "dst"),
        ("rename", 1, "dst"),
        ("remove", 0, "path"),
        ("rmtree", 0, "path"),
    ):
        _path_at(session, say, gfile, name, place, word, *writes)
    checkpoint = getattr(getattr(tf, "train", None), "Checkpoint", None)
    for name, place, word, what in (
        ("save", 1, "file_prefix", whole),
        ("write", 1, "file_prefix", whole),
        ("restore", 1, "save_path", (True, False, False, True)),
        ("read", 1, "save_path", (True, False, False, True)),
    ):
        _path_at(session, say, checkpoint, name, place, word, *what)
    _path_at(session, say, getattr(tf, "saved_model", None), "save", 1, "export_dir", *whole)
    _path_at(session, say, getattr(tf, "summary", None), "create_file_writer", 0, "logdir", *whole)
    dataset = getattr(getattr(tf, "data", None), "Dataset", None)
    _path_at(session, say, dataset, "cache", 1, "filename", *both)
    _path_at(session, say, dataset, "save", 1, "path", *whole)


def _follow_gfile(session: Any, say: Callable[..., None], owner: Any) -> None:
    """Report the files that TensorFlow opens, as Keras and KerasTuner do."""

    def making(given: Any) -> Any:
        def __init__(file: Any, name: Any, mode: Any = "r", *arguments: Any, **named: Any) -> Any:
            say(name, *_of_mode(mode))
            return given(file, name, mode, *arguments, **named)

        return __init__

    session.wrap(owner, "__init__", making)


def _path_at(
    session: Any,
    say: Callable[..., None],
    owner: Any,
    name: str,
    place: int,
    word: str,
    *what: bool,
) -> None:
    """Report the path passed to ``owner.name``, as its argument number ``place`` or as the keyword
    ``word``.
    """

    def making(given: Any) -> Any:
        def using(*arguments: Any, **named: Any) -> Any:
            path = arguments[place] if len(arguments) > place else named.get(word)
            if path:  # an empty name is a cache in memory
                say(path, *what)
            return given(*arguments, **named)

        return using

    session.wrap(owner, name, making)


class Record:
    """The files that a run has read below its own folder, and those that it has created, written
    and read outside of it.

    ``read`` omits Python's own files. ``elsewhere`` omits devices, detaudit's own files, and
    temporary files that no other run can find, because they are gone at the end or have a name by
    :mod:`tempfile` or joblib.

    ``made`` are the files of ``elsewhere`` that did not exist before this run. ``found`` are those
    that another run of the audit may have created: this run has read them before it wrote anything
    there. Neither contains compiled code, nor what a library stores while it is imported.
    """

    def __init__(self, session: Any) -> None:
        self._sites = session.sites
        self._root = os.path.realpath(session.orders.root)
        self._origin = os.path.realpath(session.orders.origin or session.orders.root)
        places = (tempfile.gettempdir(), SHARED_MEMORY)
        self._temporary = tuple(os.path.join(os.path.realpath(path), "") for path in places)
        ours = (
            *session.orders.covered,
            session.folder,
            session.orders.temporary or session.folder,
            "/dev/null",
            "/dev/tty",
            "/dev/pts",
            "/proc",
            "/sys",
        )
        self._ours = tuple(os.path.join(os.path.realpath(path), "") for path in ours)
        began = session.orders.began
        self._since = float("inf") if began is None else began
        self._read: Set[str] = set()
        self._elsewhere: Set[str] = set()
        self._made: Set[str] = set()
        self._found: Set[str] = set()
        # Of elsewhere: the files that this run has created, emptied or replaced
        self._own: Set[str] = set()
        self._prefixes: Set[str] = set()
        self._known: Dict[Use, None] = {}
        self._connected = False
        # An import of TensorFlow reads 3,500 such files in 600 folders
        self._folder_of_code = functools.lru_cache(maxsize=1024)(os.path.realpath)
        self.ended = False  # files opened after that are opened by detaudit

    def connected(self) -> None:
        self._connected = True

    def __call__(self, use: Use) -> None:
        if self.ended or use in self._known:
            return
        if len(self._known) < 50 * MOST:
            self._known[use] = None
        try:
            folder, name = os.path.split(use.path)
            if name.endswith(".pyc"):
                path = os.path.join(self._folder_of_code(folder), name)
            elif use.itself:
                path = os.path.join(os.path.realpath(folder), name)
            else:
                path = os.path.realpath(use.path)
            inside = self._inside(path)
            if (
                use.reads
                and inside is not None
                and not path.endswith((".py", ".pyc"))
                and len(self._read) < MOST
            ):
                self._read.add(inside)
            leads_back = self._root != self._origin and path.startswith(
                os.path.join(self._origin, "")
            )
            if (inside is None or leads_back) and not self._is_ours(path, leads_back):
                if leads_back and len(self._elsewhere) < MOST:
                    self._elsewhere.add(path)
                self._note_elsewhere(use, path)
        except (OSError, ValueError):  # not a valid path
            pass

    def _note_elsewhere(self, use: Use, path: str) -> None:
        status = _status(path, use.prefix)
        if use.prefix:
            self._prefixes.add(path)
        if use.reads and not use.empties and self._is_anothers(path, status):
            self._found.add(path)
        if use.writes and len(self._elsewhere) < MOST:
            self._elsewhere.add(path)
            if status is None and not self._is_library(path):
                self._made.add(path)
            if status is None or use.empties:
                self._own.add(path)

    def _is_anothers(self, path: str, status: Optional[os.stat_result]) -> bool:
        """Whether another run of the audit may have created the file that is read."""
        return (
            status is not None
            and status.st_size > 0
            and status.st_ctime > self._since - LATE
            and path not in self._own
            and len(self._found) < MOST
            and not path.endswith(".py")
            and not self._is_library(path)
        )

    def _is_library(self, path: str) -> bool:
        """Whether the file belongs to a library: compiled code, or what is used while it is
        imported.
        """
        return COMPILED.search(path) is not None or self._sites.importing()

    def _inside(self, path: str) -> Optional[str]:
        if path.startswith(os.path.join(self._root, "")):
            return os.path.relpath(path, self._root)
        return None

    def _is_ours(self, path: str, leads_back: bool) -> bool:
        if path.endswith(".pyc"):
            return True
        return not leads_back and os.path.join(path, "").startswith(self._ours)

    def listed(self) -> Files:
        elsewhere = [path for path in self._elsewhere if self._lasts(path)]
        return Files(
            read=tuple(sorted(self._read)),
            elsewhere=tuple(sorted(elsewhere)),
            made=tuple(sorted(self._made.intersection(elsewhere))),
            found=tuple(sorted(self._found)),
            outside=tuple(sorted(filter(self._may_be_left, self._elsewhere))),
            connected=self._connected,
        )

    def _lasts(self, path: str) -> bool:
        """Whether the next run may find a file: not a temporary one that is removed."""
        if not self._is_temporary(path):
            return True
        exists = _status(path, path in self._prefixes) is not None
        return exists and not self._has_random_name(path)

    def _may_be_left(self, path: str) -> bool:
        """Whether a file that is written, and perhaps removed, may be left by a run that is ended,
        and meet another one.
        """
        return COMPILED.search(os.path.join(path, "")) is None and not self._has_random_name(path)

    def _is_temporary(self, path: str) -> bool:
        return os.path.join(path, "").startswith(self._temporary)

    def _has_random_name(self, path: str) -> bool:
        """Whether it is a temporary file with a name that no other run uses; so is the folder for
        temporary files itself.
        """
        whole = os.path.join(path, "")
        for folder in filter(whole.startswith, self._temporary):
            first = whole[len(folder) :].split(os.sep, maxsplit=1)[0]
            return not first or RANDOM_NAME.match(first) is not None
        return False


def _status(path: str, prefix: bool) -> Optional[os.stat_result]:
    """Return the status of the file at a path, or of the first one with this prefix; None if there
    is none.
    """
    if prefix:
        path = next(iter(sorted(glob.glob(glob.escape(path) + "*"))), path)
    try:
        return os.lstat(path)
    except OSError:
        return None

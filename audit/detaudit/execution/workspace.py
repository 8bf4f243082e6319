"""The private folder of one audit: control folders, traces, the private homes of the interpreter
under test.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from detaudit.errors import UsageError
from detaudit.execution import claims

PRIVATE = "private"

#: For an audit of a user's script: the names of a socket's folder and of the socket need 32
#: characters of the 107 that a path may have. So the part added to TMPDIR is short:
#: ``d-4ve4u4ow/r/0012``.
SHORT, LONG, RUNS = "d-", "detaudit-", "r"

#: In a folder that is kept on purpose: no later start removes it.
KEPT = "kept"

#: What an audit creates in its folder. Nothing else is ever removed from a folder that a user
#: named.
OWN = (PRIVATE, RUNS, "run-*", "recipe", "resume.jsonl*", KEPT, claims.LOCK)


@dataclass
class Workspace:
    """If ``kept`` is true, the folder is left behind, for ``--resume``."""

    path: Path
    kept: bool = False

    @property
    def private(self) -> Path:
        """The folder that a trial may write to in place of the user's home: the same path in every
        nest.
        """
        return self.path / PRIVATE


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Lock ``folder`` against every other audit while the block runs. The kernel releases the lock
    when the audit is gone, however it ended.

    Raises UsageError if another audit is using it.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise UsageError(f"Cannot read the folder {folder}: {error.strerror}.") from None
    try:
        # Without locks in the file system, this is not checked
        with contextlib.suppress(OSError):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(
                    f"Another detaudit is using {folder}. Wait until it ends, or interrupt "
                    f"it, then resume."
                ) from None
        yield
    finally:
        os.close(descriptor)


@contextmanager
def workspace(saved: Path | None = None, prefix: str = LONG) -> Iterator[Workspace]:
    """Create a new folder, whose name begins with ``prefix``, or open that of a saved audit. Its
    contents are removed at the end unless they are kept.

    A saved audit outlives a resumption that fails. No other audit uses a new folder; the caller
    locks a saved one before reading it. Raises UsageError if no folder can be created, or another
    process is resuming the saved audit.
    """
    try:
        claim = claims.make(prefix) if saved is None else _taken(saved)
        work = Workspace(claim.path, kept=saved is not None)
        for name in ("keras", "theano", "tmp"):
            (work.private / name).mkdir(parents=True, exist_ok=True)
        (work.path / KEPT).unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(
            f"Cannot make a working folder in {saved or tempfile.gettempdir()}: "
            f"{error.strerror or error}. Set TMPDIR to a folder with a few hundred megabytes free."
        ) from None
    with contextlib.ExitStack() as stack:
        stack.callback(claim.release)
        if saved is None:
            stack.enter_context(alone(work.path))
        try:
            yield work
        finally:
            if work.kept:
                with contextlib.suppress(OSError):
                    (work.path / KEPT).touch()
            else:
                _remove(work.path)


def _taken(saved: Path) -> claims.Claim:
    """Claim the folder of a saved audit. If an earlier detaudit saved it without a lock, it gets
    one.
    """
    claim = claims.take_saved(saved)
    if claim is None:
        raise UsageError(f"Another detaudit is using {saved}. Wait until it ends.")
    return claim


def _remove(folder: Path) -> None:
    try:
        _remove_contents(folder)
    except KeyboardInterrupt:  # there is no second one until the report is written
        _remove_contents(folder)
        raise


def _remove_contents(folder: Path) -> None:
    for pattern in OWN:
        for path in folder.glob(pattern):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    path.unlink()
    with contextlib.suppress(OSError):  # not empty: something there is not ours
        folder.rmdir()

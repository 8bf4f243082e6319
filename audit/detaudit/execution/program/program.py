"""A user's program: a script, a module, a command."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path

from detaudit_probes.notebooks import SUFFIX as NOTEBOOK

from detaudit.errors import UsageError
from detaudit.execution.program.texts import left_out, put_back, skips_programs, text_of
from detaudit.execution.sandbox.tree import entries

SHELL_SCRIPTS = (".sh", ".bash")
RUN_CELLS = "from detaudit_probes import notebooks; notebooks.run()"
_MODULE = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_FUNCTION = re.compile(rf"({_MODULE}):({_MODULE})")
#: What installers write into the script of an entry point.
_CONSOLE_SCRIPT = re.compile(rf"^from ({_MODULE}) import ({_MODULE})$", re.MULTILINE)
MOST_LISTED = 50_000  # names below the program's folder that are checked for changes


@dataclass(frozen=True)
class Program:
    """``python SCRIPT ARGUMENTS``, ``python -m MODULE ARGUMENTS``, a call of the ``function`` of a
    module (which is the command ``name``, if it is installed as one), the cells of a notebook, or
    another command: its ``words``, and perhaps a script; as started in ``cwd``.

    ``root`` contains the user's code: it is ``cwd`` if the script is below it, else the script's
    own folder. ``versions`` are other contents of files below ``root``, by a name: a trial whose
    option ``version`` names one sees them.
    """

    script: Path | None
    module: str | None
    arguments: tuple[str, ...]
    cwd: Path
    root: Path
    versions: dict[str, Mapping[str, str]] = field(default_factory=dict)
    function: str | None = None
    name: str | None = None
    words: tuple[str, ...] = ()

    def add_version(self, title: str, texts: Mapping[str, str]) -> str:
        """Return the name of a version with these ``texts``. It contains a digest of them, so a
        saved trial of that name has seen the same texts.
        """
        files = put_back(texts, self.root)
        digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
        name = f"{title} {digest[:12]}"
        self.versions[name] = files
        return name

    @property
    def title(self) -> str:
        """The program's name in reports: without arguments, which may contain secrets."""
        if self.words:
            script = [str(self.relative(self.script))] if self.script is not None else []
            return " ".join([os.path.basename(self.words[0]), *script])
        if self.function:
            return self.name or f"{self.module}:{self.function}"
        return f"-m {self.module}" if self.module else str(self.relative(self.script))

    @property
    def is_notebook(self) -> bool:
        return self.script is not None and self.script.suffix == NOTEBOOK

    @cached_property
    def not_run(self) -> str:
        """Return a sentence on the lines of a notebook that are not run, if there are any. Raises
        UsageError if it is no notebook in Python.
        """
        return left_out(self.script) if self.script and self.is_notebook else ""

    @cached_property
    def skips_programs(self) -> bool:
        """Whether lines of a notebook are not run that may train."""
        return bool(self.script) and self.is_notebook and skips_programs(self.script)

    def relative(self, path: Path | None) -> Path:
        assert path is not None
        return path.relative_to(self.root) if path.is_relative_to(self.root) else path

    @property
    def beside(self) -> tuple[Path, ...]:
        """Return other folders that the script may treat as its own: the working folder, and the
        target of a link to it.
        """
        folders = [self.cwd, *([self.script.resolve().parent] if self.script is not None else [])]
        return tuple(
            folder
            for folder in dict.fromkeys(folders)
            if not folder.is_relative_to(self.root.resolve())
            and not folder.is_relative_to(self.root)
            and folder != folder.parent
        )

    def contains(self, name: str) -> bool:
        """Whether a name below ``root`` really exists there, and not behind a link to a folder
        elsewhere.
        """
        return (self.root / name).parent.resolve().is_relative_to(self.root.resolve())

    def command(self, python: str, root: Path) -> list[str]:
        """Return the command line, with the script in another ``root`` if one is given."""
        if self.words:
            return [*self.words, *self._moved(root), *self.arguments]
        if self.function:
            return [python, "-c", self._call(), *self.arguments]
        if self.module:
            return [python, "-m", self.module, *self.arguments]
        start = ["-c", RUN_CELLS] if self.is_notebook else []
        return [python, *start, *self._moved(root), *self.arguments]

    def _moved(self, root: Path) -> list[str]:
        """Return the script's path in another ``root``; nothing if there is no script."""
        if self.script is None:
            return []
        return [str(root / self.relative(self.script) if root != self.root else self.script)]

    def _call(self) -> str:
        """Return what the script of an entry point does."""
        assert self.function is not None
        return (
            f"import sys; import {self.module}; sys.argv[0] = {self.title!r}; "
            f"sys.exit({self.module}.{self.function}())"
        )


def find(
    target: str,
    is_module: bool,
    arguments: tuple[str, ...],
    cwd: Path,
    python: str = sys.executable,
) -> Program:
    """Return the program that the command line names: a script, a module, a function of a module
    (``package.train:main``), a command that an installed package has in the environment of
    ``python``, a shell script, or any command in ``PATH`` or beside an interpreter, such as
    ``bash`` or a launcher. Raises UsageError with a sentence if there is none.
    """
    if is_module:
        return Program(None, target, arguments, cwd, _own_folder(cwd))
    called = _FUNCTION.fullmatch(target)
    if called is not None:
        return Program(None, called[1], arguments, cwd, _own_folder(cwd), function=called[2])
    path = Path(os.path.normpath(cwd / target))  # "../train.py" is not below the working folder
    is_name = "/" not in target and not path.exists()
    if is_name or _is_installed(path):
        beside = Path(python).absolute().parent
        command = beside / target if is_name else path
        text = text_of(command) if command.parent == beside else None
        installed = _CONSOLE_SCRIPT.search(text or "")
        if installed is not None:
            return Program(
                None, installed[1], arguments, cwd, _own_folder(cwd), {}, installed[2], command.name
            )
        if not is_name or shutil.which(target) is not None:
            return _command(target if is_name else str(path), arguments, cwd)
    package = target.rstrip("/").replace("/", ".")
    if not path.is_file():
        raise UsageError(
            f"There is no script {target}."
            + (
                f" For a package, use: detaudit run -m {package}"
                if path.is_dir() and all(name.isidentifier() for name in package.split("."))
                else ""
            )
        )
    words = _interpreter_of(path)
    # Jupyter starts a notebook in its own folder
    started_in = path.parent if path.suffix == NOTEBOOK else cwd
    found = Program(path, None, arguments, started_in, _root_of(path, cwd), words=words)
    _ = found.not_run, found.skips_programs  # refuses what is no notebook
    return found


def _is_installed(path: Path) -> bool:
    """Whether this is a command beside an interpreter, such as ``/opt/env/bin/torchrun``, which is
    no script of the user's.
    """
    beside = [path.parent / name for name in ("python", "python3")]
    return not path.suffix and _is_command(path) and any(map(_is_command, beside))


def _is_command(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _root_of(path: Path, cwd: Path) -> Path:
    return _own_folder(cwd if path.is_relative_to(cwd) and cwd != cwd.parent else path.parent)


def _command(command: str, arguments: tuple[str, ...], cwd: Path) -> Program:
    """Return the program of a command line; its first argument may be a script, others may be
    secrets.
    """
    if arguments and (cwd / arguments[0]).is_file():
        path = Path(os.path.normpath(cwd / arguments[0]))
        return Program(path, None, arguments[1:], cwd, _root_of(path, cwd), words=(command,))
    return Program(None, None, arguments, cwd, _own_folder(cwd), words=(command,))


def _interpreter_of(path: Path) -> tuple[str, ...]:
    """Return the command that runs a script which is not Python's: the one in its first line, for a
    shell script without it ``bash``; nothing for a script of Python's.
    """
    first = (text_of(path) or "").partition("\n")[0]
    words = tuple(first[2:].split()) if first.startswith("#!") else ()
    if path.suffix in SHELL_SCRIPTS:
        return words or ("bash",)
    is_other = not path.suffix and words and "python" not in first
    return words if is_other else ()


def _own_folder(root: Path) -> Path:
    """Return the folder that is treated as the program's; the whole file system is nobody's."""
    if root == root.parent:
        raise UsageError(
            f"The script's folder would be {root}. Move the script into a folder of its own, and run it there."
        )
    return root


def _identities(*descriptors: int) -> set[tuple[int, int]]:
    """Return which files these descriptors are, of those that are open."""
    found = set()
    for one in descriptors:
        with contextlib.suppress(OSError):
            status = os.fstat(one)
            found.add((status.st_dev, status.st_ino))
    return found


def listing(root: Path) -> dict[str, tuple[int, int, int]]:
    """Return everything below ``root`` with its size, mode and modification time, which show a
    change.

    A file to which detaudit's own output is redirected does not belong to the program.
    """
    own = _identities(1, 2)
    return {
        name: (status.st_size, status.st_mode, status.st_mtime_ns)
        for name, status in islice(entries(root), MOST_LISTED)
        if (status.st_dev, status.st_ino) not in own
    }

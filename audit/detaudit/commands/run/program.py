"""A user's program, and a process that runs it once under a condition."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from detaudit_probes import codec, protocol
from detaudit_probes.notebooks import SUFFIX as NOTEBOOK

from detaudit.commands.run import notebooks, trackers
from detaudit.commands.run.reading import GUEST, Reading
from detaudit.commands.run.supervise import LAUNCH_FILE
from detaudit.commands.run.trainer import Trainer
from detaudit.core import printed
from detaudit.core.condition import Condition
from detaudit.core.experiment import Finished
from detaudit.core.files import end_of, is_full, write_json
from detaudit.core.outcome import Ended, last_line
from detaudit.core.sentences import number
from detaudit.errors import UsageError
from detaudit.execution.host import Hello, Interpreter
from detaudit.execution.processes import end_group
from detaudit.execution.resume import STATE_FILE
from detaudit.execution.sandbox import tree
from detaudit.execution.sandbox.errors import SandboxFailed, StateGone
from detaudit.execution.sandbox.tree import entries, size_of
from detaudit.execution.sandbox.view import Sandbox, Start, View
from detaudit.machine import confinement, variables
from detaudit.registry import base

MOST_BURNERS = 8
# A changed version is stopped after so many times the longest run, and so many seconds more: what
# makes operations deterministic may slow a program down ten times.
SLOWER, PATIENCE = 20.0, 60.0
SHELL_SCRIPTS = (".sh", ".bash")
RUN_CELLS = "from detaudit_probes import notebooks; notebooks.run()"
_MODULE = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_FUNCTION = re.compile(rf"({_MODULE}):({_MODULE})")
#: What installers write into the script of an entry point.
_CONSOLE_SCRIPT = re.compile(rf"^from ({_MODULE}) import ({_MODULE})$", re.MULTILINE)
#: The pins under which two runs read the same time, whenever they start.
HOLD_TIME = {name for name, pin in base.known_pins().items() if pin.holds_time}
MOST_LISTED = 50_000  # names below the program's folder that are checked for changes

# In a trial's folder: the names below the program's folder that it has written. STATE_FILE says
# where the files that it left are kept, if they are.
WRITTEN_FILE = "written.json"
SUPERVISOR = "supervisor"  # what the supervisor has printed
SEEN = "temp"  # beside the trials: where a run sees its temporary folder
REMOVED = ""  # in STATE_FILE, if a later state has replaced this one


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
        files = notebooks.put_back(texts, self.root)
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
        return notebooks.left_out(self.script) if self.script and self.is_notebook else ""

    @cached_property
    def skips_programs(self) -> bool:
        """Whether lines of a notebook are not run that may train."""
        return bool(self.script) and self.is_notebook and notebooks.skips_programs(self.script)

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
        text = notebooks.text_of(command) if command.parent == beside else None
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
    first = (notebooks.text_of(path) or "").partition("\n")[0]
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


@dataclass(frozen=True)
class Begun:
    """How a run began whose leftovers may matter: ``without`` these names, under these ``pins``, as
    this ``version`` of the program.
    """

    without: tuple[str, ...] = ()
    pins: tuple[str, ...] = ()
    version: str = ""

    @classmethod
    def of(cls, asked: Condition | protocol.Request) -> "Begun":
        return cls(asked.orders.without, asked.pins, asked.orders.version or "")


@dataclass
class Sandboxed:
    """The sandbox of an audit that ``began`` at that time, and the state that a later run may start
    with: the files that an earlier run left.
    """

    sandbox: Sandbox
    began: float = field(default_factory=time.time)
    _known: set[Begun] = field(default_factory=set)  # how the runs began whose state was ever kept
    _there: Begun | None = None  # how the run began whose state is kept now
    _holder: Path | None = None  # the folder of that trial
    _left: tuple[str, ...] = ()  # what it wrote
    _continued: set[Path] = field(default_factory=set)  # the trials that started with that
    _written: dict[Path, tuple[str, ...]] = field(default_factory=dict)

    def view(self, trial: Path, start: Start, begun: Begun) -> View:
        """Return the view of a run. Raises StateGone if the run is to start with files that no run
        left, or that are no longer kept.
        """
        if start.left and begun != self._there:
            raise StateGone(
                "The files of the earlier run, with which this run should start, are missing."
            )
        if start.left:
            self._continued.add(trial)
        return self.sandbox.view(trial, start)

    def written(self, trial: Path) -> tuple[str, ...]:
        """Return the names that a trial which has ended wrote; its folder is searched once."""
        if trial not in self._written:
            self._written[trial] = self.sandbox.written(trial)
        return self._written[trial]

    def outputs(self, trial: Path) -> dict[str, Path]:
        """Return the files that a trial which has ended leaves, by their names: those that it wrote
        and, if it started with an earlier run's, those of that run that it has not touched.
        """
        written = self.written(trial)
        found = {name: self.sandbox.find(trial, name) for name in written}
        if trial in self._continued:
            for name in self._left:
                # Of a folder that was removed, only the folder may be among the written names
                places = {name, *map(str, Path(name).parents)}
                if not places & set(written):
                    found[name] = self.sandbox.find_kept(name)
        return {name: path for name, path in found.items() if path is not None}

    def settle(self, trial: Path, begun: Begun | None) -> None:
        """Finish a trial. If it completed, and started without another run's files, ``begun`` says
        how.

        The files of the first trial that began like this are kept, in place of those kept before: a
        later run may start with them.
        """
        write_json(trial / WRITTEN_FILE, list(self.written(trial)))
        if begun is not None and begun not in self._known:
            self._keep_state(trial, begun)
        self.sandbox.discard(trial)
        del self._written[trial]

    def _keep_state(self, trial: Path, begun: Begun) -> None:
        if self._holder is not None:
            # Noted before it happens: a saved audit must not start with half of a state.
            write_json(self._holder / STATE_FILE, REMOVED)
        self._there = None
        write_json(trial / STATE_FILE, str(self.sandbox.keep_state(trial)))
        self._there, self._holder, self._left = begun, trial, self.written(trial)
        self._known.add(begun)

    def take_up(self, saved: Mapping[str, Finished]) -> dict[str, Finished]:
        """Return those runs of a saved audit that are valid for this one.

        If the state that was kept last is gone, see :meth:`begin_anew`. Raises SandboxFailed.
        """
        began = (run.trace.request.orders.began for run in saved.values() if run.trace is not None)
        self.began = min((time for time in began if time is not None), default=self.began)
        holders = {_begun(run): run for run in saved.values() if _has_left(run)}
        last = next((run for run in holders.values() if _state_of(run) is not None), None)
        if last is None:
            return self.begin_anew(saved)
        assert last.trace is not None
        self._known, self._there, self._holder = set(holders), _begun(last), last.trace.folder
        state = _state_of(last)
        assert state is not None
        self._left = written_by(last)
        self.sandbox.begin_from(state, self._left)
        return {
            key: run
            for key, run in saved.items()
            if not run.trial.condition.orders.left or _begun(run) in holders
        }

    def begin_anew(self, saved: Mapping[str, Finished]) -> dict[str, Finished]:
        """Return the saved runs that neither start with a state nor left one that was kept: the
        others are run again, in their order, which creates every state again.

        Raises SandboxFailed if the first run created something outside of the folder, which a later
        run would find, and nothing would show that a run had created it.
        """
        self._known, self._there = set(), None
        first = min(saved.values(), key=lambda run: run.number, default=None)
        made = files_of(first).made if first is not None and _has_left(first) else ()
        outside = [path for path in made if os.path.lexists(path)]
        if outside:
            raise SandboxFailed(
                f"The files of the first run are gone, and it created {outside[0]} outside the folder: "
                f"delete that, and start again without --resume."
            )
        return {
            key: run
            for key, run in saved.items()
            if not run.trial.condition.orders.left and not _has_left(run)
        }


def written_by(run: Finished) -> tuple[str, ...]:
    """Return the names below the program's folder that a run has written; none if there was no
    sandbox.
    """
    return tuple(run.trace.note(WRITTEN_FILE) or ()) if run.trace is not None else ()


def files_of(run: Finished) -> protocol.Files:
    """Return the files that a run has used; none if they were not recorded."""
    return run.trace.measures.files if run.trace is not None else protocol.Files()


def _begun(run: Finished) -> Begun:
    return Begun.of(run.trial.condition)


def _has_left(run: Finished) -> bool:
    """Whether the files that a run left were kept, even if only until another run's were."""
    return run.trace is not None and run.trace.note(STATE_FILE) is not None


def _state_of(run: Finished) -> Path | None:
    """Return the folder in which the files that a run left are kept; None if they are not, or no
    longer.
    """
    place = run.trace.note(STATE_FILE) if run.trace is not None else None
    return Path(place) if place and os.path.isdir(place) else None


class Pace:
    """Starts runs some seconds apart: two runs that take a seed from the clock would match if they
    started in the same second.
    """

    def __init__(self, gap: float = 1.7) -> None:
        self._gap, self._next = gap, 0.0

    def wait(self) -> float:
        """Return how many seconds the next run should wait."""
        now = time.monotonic()
        begins = max(now, self._next)
        self._next = begins + self._gap
        return begins - now


@dataclass
class Room:
    """The disk space of runs, in bytes: the largest run so far needed ``peak`` while it ran, and
    ``left`` so much in our folder.

    ``jobs`` runs are made at a time, ``runs`` may still follow.
    """

    jobs: int = 1
    runs: int = 1
    peak: int = 0
    left: int = 0

    def check(self, folder: Path) -> None:
        """Raises SandboxFailed if the remaining runs do not fit on the disk."""
        self.runs = max(1, self.runs - 1)
        needed = self.jobs * self.peak + self.runs * self.left
        free = shutil.disk_usage(folder).free
        if self.peak and needed > free:
            raise SandboxFailed(
                f"the disk is too full for the next runs in {folder} (one run takes {_size(self.peak)} and leaves "
                f"{_size(self.left)}, so {number(self.runs, 'more run')}, {self.jobs} at a time, would need "
                f"{_size(needed)}, and only {_size(free)} is free: set TMPDIR to a larger disk)"
            )


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


@dataclass
class Services:
    """What the hosts of one audit share; ``longest`` is how many seconds a whole run
    has taken so far.
    """

    pace: Pace | None = None
    sandboxed: Sandboxed | None = None
    online: bool = False
    keeps_all: bool = False
    room: Room = field(default_factory=Room)
    trainer: Trainer = field(default_factory=Trainer)
    longest: float = 0.0

    def limit(self, request: protocol.Request) -> float:
        """Return the seconds after which a run is stopped. A changed version may never end, such as
        a loop over seeds that has become a loop over generators.
        """
        if not request.orders.version or not self.longest:
            return request.timeout
        return min(request.timeout, SLOWER * self.longest + PATIENCE)


@dataclass
class _Prepared:
    """A trial that has a folder: its own ``temporary`` folder; how it ``begun``, if what it leaves
    may be kept; and whether it is ``whole``, so that what it prints and saves is read.
    """

    temporary: Path | None = None
    begun: Begun | None = None
    whole: bool = False
    reading: Reading | None = None


class ProgramHost:
    """What the processes of a user's program share: a supervisor, and trials with folders of their
    own.
    """

    def __init__(
        self,
        program: Program,
        interpreter: Interpreter,
        control: Path,
        environment: Mapping[str, str],
        services: Services | None = None,
    ):
        self.program, self.interpreter, self.control = program, interpreter, control
        self.services = services or Services()
        self._environment = dict(environment)
        self._prepared: dict[Path, _Prepared] = {}
        self._process: subprocess.Popen | None = None
        self._lifeline: int | None = None
        self._began = time.monotonic()

    def _folder(self, number: int) -> Path:
        # All names have one length: what precedes an object in memory decides its address.
        folder = self.control / protocol.TRIALS_FOLDER / f"{number:05}"
        folder.mkdir(parents=True)
        self.services.room.check(self.control.parent)
        return folder

    def _prepare(
        self, request: protocol.Request, folder: Path, view: View, begun: Begun | None
    ) -> dict[str, Any]:
        """Write a trial's request; return how to start it."""
        root, cwd = view.root, self.program.cwd
        if root != self.program.root and cwd.is_relative_to(self.program.root):
            cwd = root / cwd.relative_to(self.program.root)
        private = bool(request.pins) or request.orders.private
        own = self.control.parent / f"{request.trial:04}"
        # Where it can be, its path is the same in all of them: a program may hash or print it.
        temporary = self.control.parent / SEEN if private and view.plan is not None else own
        sandboxed = self.services.sandboxed
        orders = request.orders._replace(
            root=str(root),
            origin=str(self.program.root),
            covered=self._covered(view),
            temporary=str(temporary),
            # The same for all: an additional name in the request would move objects in memory.
            began=None if sandboxed is None else sandboxed.began,
        )
        asked = request._replace(orders=orders)
        write_json(folder / protocol.REQUEST_FILE, codec.encode(asked))
        whole = orders.stop_steps is None and orders.stop_seconds is None
        self._prepared[folder] = _Prepared(own if private else None, begun, whole)
        if private:
            own.mkdir()
            temporary.mkdir(exist_ok=True)
        renamed = [] if temporary == own else [[str(own), str(temporary)]]
        pace = self.services.pace
        return {
            "command": self.program.command(self.interpreter.path, root),
            "cwd": str(cwd),
            "environment": self._variables(folder, temporary if private else None),
            "timeout": self.services.limit(request),
            "mounts": view.plan and {**view.plan, "cwd": str(cwd), "renamed": renamed},
            "fixed_addresses": bool(request.settings.fixed_addresses),
            "burners": _burners() if request.settings.busy else 0,
            # If the clock is pinned, two runs read the same time whenever they start.
            "wait": pace.wait() if pace is not None and not HOLD_TIME & {*request.pins} else 0.0,
        }

    def _save(self, folder: Path, launch: Mapping[str, Any]) -> None:
        """Write down how a trial was started."""
        public = launch if self.services.keeps_all else self._public(launch)
        write_json(folder / LAUNCH_FILE, public)

    def _public(self, launch: Mapping[str, Any]) -> dict[str, Any]:
        """Return how a run was started, in a form that may stay on a disk: listed variables, no
        arguments.
        """
        arguments = len(self.program.arguments)
        return {
            **launch,
            "command": launch["command"][: len(launch["command"]) - arguments],
            "arguments": arguments,
            "environment": variables.describe(launch["environment"]),
            "mounts": None,
        }

    def _covered(self, view: View) -> tuple[str, ...]:
        """Return folders besides the program's own that are protected too."""
        return () if view.plan is None else tuple(map(str, self.program.beside))

    def _variables(self, folder: Path, temporary: Path | None) -> dict[str, str]:
        """Return the trial's environment, with a ``temporary`` folder of its own if something is
        pinned (equal temporary names must not collide in one folder), or if the run is ended before
        it can remove its temporary files.
        """
        site = folder / "site"
        site.mkdir()
        (site / "sitecustomize.py").symlink_to(GUEST / "hooks" / "sitecustomize.py")
        (site / "guest").symlink_to(GUEST)
        path = os.pathsep.join(
            part for part in (str(site), self._environment.get("PYTHONPATH")) if part
        )
        own = {} if self.services.online else trackers.variables(folder, self._environment)
        if temporary is not None:
            own["TMPDIR"] = str(temporary)
            if "JOBLIB_TEMP_FOLDER" not in self._environment:
                # It names a folder by a uuid, and prefers /dev/shm to TMPDIR
                own["JOBLIB_TEMP_FOLDER"] = str(temporary)
        return {
            **self._environment,
            **own,
            "PYTHONPATH": path,
            protocol.TRIAL_VARIABLE: str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def _start(self, folder: Path, launch: Mapping[str, Any]) -> None:
        """Start the process that supervises the run.

        It reads the ``launch`` from an unnamed file, because the launch contains arguments and
        variables, which must not stay on a disk.
        """
        reading, self._lifeline = os.pipe()
        try:
            with (
                open(folder / SUPERVISOR, "wb") as said,
                tempfile.TemporaryFile(dir=folder) as asked,
            ):
                asked.write(json.dumps(launch).encode())
                asked.seek(0)
                self._process = subprocess.Popen(
                    [
                        sys.executable,
                        "-m",
                        "detaudit.commands.run.supervise",
                        str(folder),
                        str(reading),
                    ],
                    # ``-m`` puts it first on the path, and the user's own may hold any module
                    cwd=folder,
                    stdin=asked,
                    stdout=subprocess.DEVNULL,
                    stderr=said,
                    pass_fds=(reading,),
                    start_new_session=True,
                )
        finally:
            os.close(reading)
        self._began = time.monotonic()

    def _is_read(self, folder: Path, ended: Ended) -> bool:
        """Whether what a run that has ``ended`` has printed and saved is read. That begins with the
        first call.
        """
        trial = self._prepared[folder]
        if not trial.whole or ended.status != 0 or ended.timed_out:
            return True
        if trial.reading is None:
            trial.reading = Reading(
                self.interpreter.path, self._environment, folder, self._outputs(folder)
            )
        return trial.reading.ended()

    def _outputs(self, folder: Path) -> dict[str, Path]:
        """Return what a run has printed and saved: the paths of its files, by their names."""
        files = {protocol.PRINTED: folder / protocol.STDOUT_FILE}
        if self.services.sandboxed is not None:
            files.update(self.services.sandboxed.outputs(folder))
        return files

    def _finish(self, folder: Path, ended: Ended) -> Ended:
        """Finish a trial that has ended: find out what it wrote, and free the disk."""
        # Before its layers are removed, which frees the disk.
        fault = self._own_fault(folder, ended)
        own, room = self._prepared.pop(folder), self.services.room
        if ended.status == 0 and not fault:
            self.services.trainer.settle(folder)
        room.peak = max(room.peak, size_of(folder))
        if self.services.sandboxed is not None:
            self.services.sandboxed.settle(folder, own.begun if ended.status == 0 else None)
        if own.whole and not ended.timed_out:
            self.services.longest = max(self.services.longest, ended.seconds)
        self._tidy(folder, own.temporary)
        room.left = max(room.left, size_of(folder))
        return replace(ended, own_fault=fault)

    def _tidy(self, folder: Path, temporary: Path | None) -> None:
        """Remove what is no longer needed of a run that has ended: temporary files, and most of a
        long output.
        """
        if temporary is not None:
            tree.remove(temporary)
        try:
            for name in (protocol.STDOUT_FILE, protocol.STDERR_FILE):
                printed.compact(folder / name)
        except OSError:  # the disk is full: the output is left unchanged
            return

    def _own_fault(self, folder: Path, ended: Ended) -> str:
        """Return what went wrong in detaudit's own code, or in its folder, in the run that has
        ``ended``; else an empty string.
        """
        path = folder / protocol.FAULT_FILE
        if path.exists():
            return f"in its hooks: {last_word(path)}"
        return "" if ended.status == 0 or ended.timed_out else self._no_space()

    def _no_space(self) -> str:
        """Return that a disk of detaudit's own is full, so that a failed run says nothing about the
        script; an empty string if none is.
        """
        sandboxed = self.services.sandboxed
        places = sandboxed.sandbox.places() if sandboxed is not None else ()
        full = [place for place in (self.control.parent, *places) if is_full(place)]
        return f"no space is left in its own folder, {full[0]}" if full else ""

    def said(self, folder: Path) -> str:
        """Return the end of the script's stderr, or the reason why it did not start."""
        for name in (protocol.STDERR_FILE, SUPERVISOR):
            said = printed.end(folder / name)
            if said:
                return said.rstrip()
        return ""

    def interrupt(self) -> None:
        self._let_go()

    def close(self) -> None:
        self._let_go()
        for trial in self._prepared.values():
            if trial.reading is not None:
                trial.reading.kill()
        if self._process is not None:
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                end_group(self._process.pid)
                self._process.wait()

    def _let_go(self) -> None:
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None


class Process(ProgramHost):
    """One run of the program: a host that serves one trial and needs no start."""

    def answered(self) -> bool:
        return True

    def hello(self) -> Hello:
        return Hello({}, ())

    def run(self, request: protocol.Request) -> Path:
        """Start the program; return its folder, in which ``exit.json`` appears when it has
        ended.
        """
        folder = self._folder(request.trial)
        view, begun = self._view(folder, request)
        launch = self._prepare(request, folder, view, begun)
        self._save(folder, launch)
        self._start(folder, launch)
        return folder

    def _view(self, folder: Path, request: protocol.Request) -> tuple[View, Begun | None]:
        """Return the run's view of the folder, and how it begins if what it leaves may be kept."""
        sandboxed = self.services.sandboxed
        if sandboxed is None:
            return View(self.program.root), None
        orders, begun = request.orders, Begun.of(request)
        changed = orders.left or bool(request.unpinned)
        wanted = orders.kept or not (request.pins or orders.version)
        # The files that a run without these names left already contain its own versions of them.
        without = () if orders.left else orders.without
        start = Start(self.program.versions.get(orders.version, {}), without, orders.left)
        return sandboxed.view(folder, start, begun), begun if wanted and not changed else None

    def ended(self, folder: Path) -> Ended | None:
        status = self._process.poll() if self._process else 0
        ended = Ended.read(folder)
        if ended is not None:
            return self._finish(folder, ended) if self._is_read(folder, ended) else None
        if status is None:
            return None
        word = last_word(folder / SUPERVISOR)
        said = f"the process that supervises the script exited with status {status}: {word}"
        return Ended(own_fault=self._no_space() or said)


def last_word(path: Path) -> str:
    """Return the last line of output of one of our processes; an empty string if there is none."""
    return last_line(end_of(path)) or "it printed nothing"


def _burners() -> int:
    """Return how many processes keep this machine busy; a few disturb a large machine as well."""
    quota = None
    with contextlib.suppress(OSError, ValueError):
        quota = confinement.cpu_quota()
    return min(confinement.usable(confinement.cores(), quota) or 1, MOST_BURNERS)


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

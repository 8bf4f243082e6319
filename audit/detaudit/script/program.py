"""A user's program, and a process that runs it once under a condition."""

import contextlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import detaudit_probes
from detaudit_probes import protocol

from detaudit import confinement
from detaudit.errors import UsageError
from detaudit.nests import Interpreter, write_json
from detaudit.runner import Finished
from detaudit.sandbox.errors import SandboxFailed
from detaudit.sandbox.view import IGNORED, Sandbox, Start, View
from detaudit.script import trackers
from detaudit.script.supervise import LAUNCH_FILE

MOST_BURNERS = 8
CLOCK = "clock"  # the pin
GUEST = Path(detaudit_probes.__file__).parent
LEAST_SPACE = (
    1 << 20
)  # bytes: where less is free in our folder, a run that fails says nothing of the script

WRITTEN_FILE = (
    "written.json"  # in a trial's folder: the names below the program's folder that it has written
)


@dataclass(frozen=True)
class Program:
    """``python SCRIPT ARGUMENTS`` or ``python -m MODULE ARGUMENTS``, as it is started in ``cwd``.

    ``root`` holds the user's code: ``cwd`` where the script lies below it, else the script's own
    folder. ``versions`` are other contents of files below ``root``, by a name: a trial whose option
    ``version`` names one sees them.
    """

    script: Path | None
    module: str | None
    arguments: tuple[str, ...]
    cwd: Path
    root: Path
    versions: dict[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What stands in reports: no arguments, which may hold secrets."""
        return f"-m {self.module}" if self.module else str(self.relative(self.script))

    def relative(self, path: Path | None) -> Path:
        assert path is not None
        return path.relative_to(self.root) if path.is_relative_to(self.root) else path

    @property
    def beside(self) -> tuple[Path, ...]:
        """Other folders that the script may take for its own: the working folder, and where a link
        to it leads.
        """
        folders = [self.cwd, *([self.script.resolve().parent] if self.script is not None else [])]
        return tuple(
            folder
            for folder in dict.fromkeys(folders)
            if not folder.is_relative_to(self.root.resolve())
            and not folder.is_relative_to(self.root)
            and folder != folder.parent
        )

    def holds(self, name: str) -> bool:
        """Whether a name below ``root`` is really there, and not behind a link to a folder
        elsewhere.
        """
        return (self.root / name).parent.resolve().is_relative_to(self.root.resolve())

    def command(self, python: str, root: Path) -> list[str]:
        """The command line, with the script where it is below another ``root``."""
        if self.module:
            return [python, "-m", self.module, *self.arguments]
        assert self.script is not None
        moved = root / self.relative(self.script) if root != self.root else self.script
        return [python, str(moved), *self.arguments]


def find(target: str, is_module: bool, arguments: tuple[str, ...], cwd: Path) -> Program:
    """The program that the command line names. Raises UsageError, with a sentence, where there is
    none.
    """
    if is_module:
        return Program(None, target, arguments, cwd, _own_folder(cwd))
    path = Path(os.path.normpath(cwd / target))  # "../train.py" is not below the working folder
    if path.suffix == ".ipynb":
        raise UsageError(
            f"{target} is a notebook. Convert it first: jupyter nbconvert --to script {target}"
        )
    if not path.is_file():
        raise UsageError(
            f"There is no script {target}."
            + (
                f" For a package, use: detaudit run -m {target.rstrip('/').replace('/', '.')}"
                if path.is_dir()
                else ""
            )
        )
    root = cwd if path.is_relative_to(cwd) and cwd != cwd.parent else path.parent
    return Program(path, None, arguments, cwd, _own_folder(root))


def _own_folder(root: Path) -> Path:
    """The folder that is taken for the program's; the whole file system is nobody's."""
    if root == root.parent:
        raise UsageError(
            f"The program's folder would be {root}: put it into one of its own, and run it there."
        )
    return root


@dataclass(frozen=True)
class Begun:
    """How a run began whose leftovers may matter: ``without`` these names, and under these
    ``pins``.
    """

    without: tuple[str, ...] = ()
    pins: tuple[str, ...] = ()


@dataclass
class Sandboxed:
    """The sandbox of an audit that ``began`` then, and what runs have written in it: names below
    the program's folder.
    """

    sandbox: Sandbox
    written: set[str] = field(default_factory=set)
    began: float = field(default_factory=time.time)
    _known: list[Begun] = field(default_factory=list)  # whose state was kept, the last one is there

    def view(self, trial: Path, start: Start, begun: Begun) -> View:
        """Raises SandboxFailed if a run is to begin from what none has left."""
        if start.left and (not self._known or self._known[-1] != begun):
            raise SandboxFailed("No earlier run has left what this one is to begin from.")
        return self.sandbox.view(trial, start)

    def settle(self, trial: Path, begun: Begun | None) -> None:
        """A trial has ended. If it completed without anything left by another, ``begun`` says how.

        What the first one that began so has left is kept, in place of what was: a further run may
        begin from there.
        """
        names = self.sandbox.written(trial)
        self.written.update(names)
        write_json(trial / WRITTEN_FILE, list(names))
        if begun is not None and begun not in self._known:
            self._known.append(begun)
            self.sandbox.keep_state(trial)
        self.sandbox.discard(trial)


def written_by(run: Finished) -> tuple[str, ...]:
    """Names below the program's folder that a run has written; none where there was no sandbox."""
    path = run.trace.folder / WRITTEN_FILE if run.trace is not None else None
    return (
        tuple(json.loads(path.read_text(encoding="utf-8")))
        if path is not None and path.exists()
        else ()
    )


class Pace:
    """Runs begin some seconds apart: side by side in one second, two that take a seed from the
    clock would agree.
    """

    def __init__(self, gap: float = 1.7) -> None:
        self._gap, self._next = gap, 0.0

    def wait(self) -> float:
        """For how many seconds the next run should wait."""
        now = time.monotonic()
        begins = max(now, self._next)
        self._next = begins + self._gap
        return begins - now


class Process:
    """One run of the program. To the runner it is a nest that serves one trial and needs no
    start.
    """

    def __init__(
        self,
        program: Program,
        interpreter: Interpreter,
        control: Path,
        environment: Mapping[str, str],
        pace: Pace | None = None,
        sandboxed: "Sandboxed | None" = None,
        online: bool = False,
    ):
        self.program, self.interpreter, self.control, self._pace = (
            program,
            interpreter,
            control,
            pace,
        )
        self._sandboxed, self._online = sandboxed, online
        self._environment = dict(environment)
        self._process: subprocess.Popen | None = None
        self._lifeline: int | None = None
        self._began = time.monotonic()

    def answered(self) -> bool:
        return True

    def hello(self) -> dict[str, Any]:
        return {}

    def run(self, request: protocol.Request) -> Path:
        """Start the program; its folder, in which ``exit.json`` appears when it has ended."""
        # Names of one length: what lies in memory before an object decides its address.
        folder = self.control / protocol.TRIALS_FOLDER / f"{request.trial:05}"
        folder.mkdir(parents=True)
        view = self._view(folder, request)
        root, cwd = view.root, self.program.cwd
        if root != self.program.root and cwd.is_relative_to(self.program.root):
            cwd = root / cwd.relative_to(self.program.root)
        temporary = self.control.parent / f"{request.trial:04}"
        asked = request._replace(
            options={
                **request.options,
                "root": str(root),
                "origin": str(self.program.root),
                "covered": self._covered(view),
                "temporary": str(temporary),
                # The same for all: a name more in the request would move what lies in memory.
                "began": None if self._sandboxed is None else self._sandboxed.began,
            }
        )
        write_json(folder / protocol.REQUEST_FILE, asked._asdict())
        write_json(
            folder / LAUNCH_FILE,
            {
                "command": self.program.command(self.interpreter.path, root),
                "cwd": str(cwd),
                "environment": self._variables(folder, temporary if request.pins else None),
                "timeout": request.timeout,
                "mounts": None if view.plan is None else {**view.plan, "cwd": str(cwd)},
                "fixed_addresses": bool(request.options.get("fixed_addresses")),
                "burners": _cores() if request.options.get("busy") else 0,
                # Where the clock is pinned, two runs read the same time whenever they begin.
                "wait": self._pace.wait()
                if self._pace is not None and CLOCK not in request.pins
                else 0.0,
            },
        )
        self._start(folder)
        return folder

    def _covered(self, view: View) -> list[str]:
        """Folders besides the program's own that are protected as well."""
        return [] if view.plan is None else [str(folder) for folder in self.program.beside]

    def _view(self, folder: Path, request: protocol.Request) -> View:
        if self._sandboxed is None:
            return View(self.program.root)
        options = request.options
        left, without = bool(options.get("left")), tuple(options.get("without", ()))
        begun = Begun(without, tuple(request.pins))
        changed = left or "version" in options
        wanted = not request.pins or bool(options.get("kept"))
        self._begun = None if changed or request.loose or not wanted else begun
        # What a run without these names has left holds what it has made of them.
        texts = self.program.versions.get(options.get("version", ""), {})
        return self._sandboxed.view(folder, Start(texts, () if left else without, left), begun)

    def _variables(self, folder: Path, temporary: Path | None) -> dict[str, str]:
        """The trial's environment, with a ``temporary`` folder of its own where something is
        pinned: equal temporary names must not meet in one folder.
        """
        site = folder / "site"
        site.mkdir()
        (site / "sitecustomize.py").symlink_to(GUEST / "script" / "sitecustomize.py")
        (site / "guest").symlink_to(GUEST)
        path = os.pathsep.join(
            part for part in (str(site), self._environment.get("PYTHONPATH")) if part
        )
        own = {} if self._online else trackers.variables(folder, self._environment)
        if temporary is not None:
            temporary.mkdir()
            own["TMPDIR"] = str(temporary)
        return {
            **self._environment,
            **own,
            "PYTHONPATH": path,
            "DETAUDIT_TRIAL": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def _start(self, folder: Path) -> None:
        reading, self._lifeline = os.pipe()
        try:
            with open(folder / "supervisor", "wb") as said:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "detaudit.script.supervise", str(folder), str(reading)],
                    cwd=folder,  # ``-m`` puts it first on the path: the user's own may hold a module of any name
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=said,
                    pass_fds=(reading,),
                    start_new_session=True,
                )
        finally:
            os.close(reading)
        self._began = time.monotonic()

    def ended(self, folder: Path) -> dict[str, Any] | None:
        """How the run in ``folder`` ended, or None while it goes on."""
        path = folder / protocol.EXIT_FILE
        status = self._process.poll() if self._process else 0
        if path.exists():
            ended = json.loads(path.read_text(encoding="utf-8"))
            fault = self._own_fault(
                folder, ended
            )  # before its layers are removed, which frees the disk
            if self._sandboxed is not None:
                self._sandboxed.settle(folder, self._begun if ended["status"] == 0 else None)
            return {**ended, "own_fault": fault}
        if status is None:
            return None
        why = f"the process that looks after the script ended with status {status}: {_last_line(folder / 'supervisor')}"
        return {
            "status": None,
            "signal": None,
            "timed_out": False,
            "seconds": 0.0,
            "own_fault": why,
        }

    def _own_fault(self, folder: Path, ended: Mapping[str, Any]) -> str:
        """What went wrong in detaudit's own code, or in its folder, in the run that has ``ended``;
        else nothing.
        """
        path = folder / protocol.FAULT_FILE
        if path.exists():
            return f"in its hooks: {_last_line(path)}"
        if ended["status"] == 0 or ended["timed_out"]:
            return ""
        places = self._sandboxed.sandbox.places() if self._sandboxed is not None else ()
        full = [
            place
            for place in (self.control.parent, *places)
            if shutil.disk_usage(place).free < LEAST_SPACE
        ]
        return f"no space is left in its own folder, {full[0]}" if full else ""

    def said(self, folder: Path) -> str:
        """The end of what the script wrote to stderr, or why it did not start."""
        for name in (protocol.STDERR_FILE, "supervisor"):
            path = folder / name
            if path.exists() and path.stat().st_size:
                return path.read_bytes()[-4000:].decode("utf-8", "replace").rstrip()
        return ""

    def interrupt(self) -> None:
        """End the program, whatever it started, and the process that looks after it."""
        self._let_go()

    def close(self) -> None:
        self._let_go()
        if self._process is not None:
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()

    def _let_go(self) -> None:
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None


def _last_line(path: Path) -> str:
    """The last line of what a process of ours has said; nothing where it could say nothing."""
    if not path.exists():
        return "it left no word"
    lines = path.read_bytes()[-4000:].decode("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it left no word")


def _cores() -> int:
    """How many processes keep this machine busy; a few disturb a large one as well."""
    cores = confinement.cores()
    with contextlib.suppress(OSError, ValueError):
        cores = min(cores, math.ceil(confinement.cpu_quota() or cores))
    return min(cores, MOST_BURNERS)


def text_of(path: Path) -> str | None:
    """A file's text, its line ends as they are; None where there is none, or it is not UTF-8."""
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _identities(*descriptors: int) -> set[tuple[int, int]]:
    """Which files these descriptors are, of those that are open."""
    found = set()
    for one in descriptors:
        with contextlib.suppress(OSError):
            status = os.fstat(one)
            found.add((status.st_dev, status.st_ino))
    return found


def listing(root: Path) -> dict[str, tuple[int, int, int]]:
    """Everything below ``root`` with its size, mode and the time of its last change: a change is
    seen by these.

    A file that detaudit's own output is redirected to is not the program's.
    """
    found = {}
    own = _identities(1, 2)
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names if name not in IGNORED)
        for name in [*names, *files]:
            with contextlib.suppress(OSError):
                path = os.path.join(folder, name)
                status = os.lstat(path)
                if (status.st_dev, status.st_ino) in own:
                    continue
                found[os.path.relpath(path, root)] = (
                    status.st_size,
                    status.st_mode,
                    status.st_mtime_ns,
                )
        if len(found) > 50_000:
            break
    return found

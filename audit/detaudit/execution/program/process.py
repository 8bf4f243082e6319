"""A process that runs a user's program once under a condition, and what such processes share."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from detaudit_probes import codec, protocol

from detaudit.core import printed
from detaudit.core.files import end_of, is_full, write_json
from detaudit.core.outcome import Ended, last_line
from detaudit.core.sentences import number
from detaudit.execution.host import Hello, Interpreter
from detaudit.execution.processes import end_group
from detaudit.execution.program import trackers
from detaudit.execution.program.program import Program
from detaudit.execution.program.reading import GUEST, Reading
from detaudit.execution.program.sandboxed import Begun, Sandboxed
from detaudit.execution.program.supervise import LAUNCH_FILE
from detaudit.execution.program.trainer import Trainer
from detaudit.execution.sandbox import tree
from detaudit.execution.sandbox.errors import SandboxFailed
from detaudit.execution.sandbox.tree import size_of
from detaudit.execution.sandbox.view import Start, View
from detaudit.machine import confinement, variables
from detaudit.registry import base

MOST_BURNERS = 8
# A changed version is stopped after so many times the longest run, and so many seconds more: what
# makes operations deterministic may slow a program down ten times.
SLOWER, PATIENCE = 20.0, 60.0
#: The pins under which two runs read the same time, whenever they start.
HOLD_TIME = {name for name, pin in base.known_pins().items() if pin.holds_time}
NO_OTHERS: Mapping[str, Program] = MappingProxyType({})
SUPERVISOR = "supervisor"  # in a trial's folder: what the supervisor has printed
SEEN = "temp"  # beside the trials: where a run sees its temporary folder


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
            "command": [
                *self.program.command(self.interpreter.path, root),
                *orders.more_arguments,
            ],
            "added": len(orders.more_arguments),
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
        arguments = len(self.program.arguments) + launch["added"]
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
                        "detaudit.execution.program.supervise",
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
    """One run of the program: a host that serves one trial and needs no start. ``others`` are run
    for the conditions that have their names as the model.
    """

    def __init__(
        self,
        program: Program,
        interpreter: Interpreter,
        control: Path,
        environment: Mapping[str, str],
        services: Services | None = None,
        others: Mapping[str, Program] = NO_OTHERS,
    ):
        super().__init__(program, interpreter, control, environment, services)
        self._others = others

    def answered(self) -> bool:
        return True

    def hello(self) -> Hello:
        return Hello({}, ())

    def run(self, request: protocol.Request) -> Path:
        """Start the program; return its folder, in which ``exit.json`` appears when it has
        ended.
        """
        self.program = self._others.get(request.model, self.program)
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

"""Nests of the user's program: it is started as it is, and when its framework has been imported, it
forks one child per trial (:mod:`detaudit_probes.hooks.nest`).

The first fresh run that is recorded says at which import. If anything is in the way, trials run in
fresh processes, and :class:`~detaudit.execution.program.forks.Forks` says why.
"""

import contextlib
import json
import os
import re
import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import psutil
from detaudit_probes import protocol

from detaudit.core.condition import Trial
from detaudit.core.experiment import Finished
from detaudit.core.files import read_json, write_json
from detaudit.core.outcome import Ended, signal_name
from detaudit.execution.host import Hello, Host, Interpreter, NestUnusable
from detaudit.execution.program.forks import Forks
from detaudit.execution.program.process import ProgramHost, Services, last_word
from detaudit.execution.program.program import MOST_LISTED, Program
from detaudit.execution.program.texts import text_of
from detaudit.execution.sandbox import tree
from detaudit.execution.sandbox.overlay import Overlay
from detaudit.execution.sandbox.view import Start, View

COMMANDS = "commands"  # in a nest's folder, the named pipe
NEST = 0  # the number of the nest's own folder, beside those of its trials
MOST_NESTS = 6
NEST_BYTES = 700 * 2**20  # of memory, for a nest and a child of it
#: Words without which no Python program asks for the time.
CLOCK_WORDS = re.compile(r"(?<![a-z])(?:time|clock|date|now)", re.IGNORECASE)
MOST_READ = 200  # files that are searched for them
STALLED = 3.0  # times the seconds of a fresh run
GRACE = 5.0  # seconds


@dataclass
class Known:
    """What fresh runs have shown: the ``point`` at which to fork, and how many ``seconds`` the
    longest took, by the number of steps after which they were ended (None: at their own end).
    """

    point: protocol.Point | None = None
    seconds: dict[int | None, float] = field(default_factory=dict)

    def limit(self, steps: int | None) -> float:
        """Return the seconds after which a forked run, ended after ``steps``, has stalled."""
        longest = max(self.seconds.values(), default=0.0)
        return STALLED * self.seconds.get(steps, longest) + GRACE

    @property
    def start_limit(self) -> float:
        """The seconds after which a nest should have reached the point, as each fresh run has."""
        return STALLED * min(self.seconds.values(), default=0.0) + GRACE


@dataclass
class Nests:
    """The nests of a program: :class:`detaudit.execution.host.ProgramNests`."""

    program: Program
    forks: Forks
    services: Services = field(default_factory=Services)

    def __post_init__(self) -> None:
        self.known = Known()
        if self.program is not None and not _mentions_clock(self.program.root):
            self.services = replace(self.services, pace=None)

    @property
    def most(self) -> int:
        if not self.forks.usable:
            return 0
        return max(2, min(MOST_NESTS, psutil.virtual_memory().available // NEST_BYTES))

    def takes(self, trial: Trial) -> bool:
        point = self.known.point
        if not trial.condition.orders.forked or not self.forks.usable or point is None:
            return False
        return not _needs_start(trial, point)

    def group(self, trial: Trial) -> Hashable:
        return bool(trial.condition.settings.fixed_addresses)

    def open(
        self,
        interpreter: Interpreter,
        control: Path,
        environment: Mapping[str, str],
        trial: Trial,
    ) -> Host:
        self.forks.use()
        fixed = bool(trial.condition.settings.fixed_addresses)
        assert self.known.point is not None
        return ProgramNest(
            self.program, interpreter, control, environment, self.services, self.known, fixed
        )

    def learn(self, finished: Finished) -> None:
        trace = finished.completed_trace
        if trace is None or finished.trial.condition.orders.forked:
            return
        steps, known = finished.trial.condition.orders.stop_steps, self.known.seconds
        # Not of a run that was ended because it differs
        if trace.measures.stopped in (None, steps):
            known[steps] = max(known.get(steps, 0.0), finished.outcome.seconds)
        if self.known.point is None and finished.trial.condition.orders.record:
            self._choose(trace.measures.points)

    def _choose(self, points: tuple[protocol.Point, ...]) -> None:
        """Choose the last point at which the program can fork."""
        possible = [point for point in points if not point.obstacle]
        if possible:
            self.known.point = possible[-1]
        elif points:
            first = points[0]
            self.forks.drop(f"{first.obstacle} before its import of {first.module} has ended")
        else:
            self.forks.drop("it imports no framework that detaudit knows", notable=False)

    def drop(self, reason: str) -> None:
        self.forks.drop(reason)


def _mentions_clock(root: Path) -> bool:
    """Whether the program may take a seed from the clock: its forked runs then begin in different
    seconds. Fresh runs always do, and confirm what forked ones have shown.
    """
    names = (
        name
        for name, _ in islice(tree.entries(root), MOST_LISTED)
        if name.endswith((".py", ".ipynb"))
    )
    files = [root / name for name in islice(names, MOST_READ + 1)]
    return len(files) > MOST_READ or any(CLOCK_WORDS.search(text_of(path) or "") for path in files)


def _needs_start(trial: Trial, point: protocol.Point) -> bool:
    """Whether a trial needs a process that is new from its first line on: the text of the script,
    the files that it finds, and the lines before the point have had their effect when it forks.
    """
    condition, orders = trial.condition, trial.condition.orders
    changed = orders.version or orders.without or orders.left or orders.kept or orders.files
    sites = orders.spy is not None and point.kept
    return bool(changed or sites or condition.unpinned or condition.settings.busy)


@dataclass
class _Forked:
    """A trial that is forked from a nest: its ``command`` is sent when it ``begins``, and it may
    run for ``limit`` seconds after that. Times are those of the monotonic clock.
    """

    begins: float
    command: bytes
    limit: float
    sent: float | None = None

    def is_late(self) -> bool:
        """Whether its nest, which should have ended it by now, has not done so."""
        return self.sent is not None and time.monotonic() > self.sent + self.limit + GRACE


class ProgramNest(ProgramHost):
    """A process of the program that forks its trials."""

    def __init__(
        self,
        program: Program,
        interpreter: Interpreter,
        control: Path,
        environment: Mapping[str, str],
        services: Services,
        known: Known,
        fixed_addresses: bool,
    ) -> None:
        super().__init__(program, interpreter, control, environment, services)
        self._known = known
        self._home = self._folder(NEST)
        self._hello: dict[str, Any] | None = None
        self._forked: dict[Path, _Forked] = {}  # by folder
        self._commands = self._open_pipe()
        # Its own: files that the program makes before the fork stay until the nest is closed
        self._temporary = control.parent / f"n{control.name[-5:]}"
        self._temporary.mkdir()
        variables = self._variables(self._home, self._temporary)
        del variables[protocol.TRIAL_VARIABLE]
        self._launched = {**variables, protocol.NEST_VARIABLE: str(self._home)}
        launch = self._launch(fixed_addresses)
        self._save(self._home, launch)
        self._start(self._home, launch)

    def _covered(self, view: View) -> tuple[str, ...]:
        return (*super()._covered(view), str(self._temporary))

    def _open_pipe(self) -> int | None:
        """Tell the nest where to fork, and from which pipe to read its commands; return the
        engine's end of it, which is None once it is closed.
        """
        assert self._known.point is not None
        pipe = self._home / COMMANDS
        os.mkfifo(pipe, 0o600)
        plan = {"module": self._known.point.module, "commands": str(pipe)}
        write_json(self._home / protocol.NEST_FILE, plan)
        # For reading too, so that opening it waits for nobody
        return os.open(pipe, os.O_RDWR | os.O_NONBLOCK)

    def _launch(self, fixed_addresses: bool) -> dict[str, Any]:
        """Return how to start the program as a nest."""
        program, sandboxed = self.program, self.services.sandboxed
        view = View(program.root)
        if sandboxed is not None:
            view = sandboxed.sandbox.view(self._home, Start())
        return {
            "command": program.command(self.interpreter.path, view.root),
            "added": 0,
            "cwd": str(program.cwd),
            "environment": self._launched,
            "timeout": None,
            "mounts": None if view.plan is None else {**view.plan, "cwd": str(program.cwd)},
            "fixed_addresses": fixed_addresses,
            "burners": 0,
            "wait": 0.0,
        }

    def answered(self) -> bool:
        path = self._home / protocol.HELLO_FILE
        if self._hello is None and path.exists():
            self._hello = read_json(path)
        return self._hello is not None or self._gone() or self._is_late()

    def _gone(self) -> bool:
        assert self._process is not None
        return self._process.poll() is not None

    def _is_late(self) -> bool:
        return time.monotonic() - self._began > self._known.start_limit

    def hello(self) -> Hello:
        hello, point = self._hello, self._known.point
        assert point is not None
        if hello is None:
            ended = Ended.read(self._home)
            how = "it did not get there in time" if ended is None else _how(ended)
            fault = self._home / protocol.FAULT_FILE
            how = last_word(fault) if fault.exists() else how
            raise NestUnusable(
                f"started again, it did not reach the end of its import of {point.module} ({how})"
            )
        if hello["obstacle"]:
            raise NestUnusable(f"{hello['obstacle']} before its import of {point.module} has ended")
        if hello["kept"] != dict(point.kept):
            raise NestUnusable(
                f"it draws random numbers before its import of {point.module} has ended"
            )
        return Hello({}, ())

    def run(self, request: protocol.Request) -> Path:
        assert self._hello is not None
        folder = self._folder(request.trial)
        launch = self._prepare(request, folder, self._view(folder), None)
        self._save(folder, launch)
        self._give_earlier_output(folder)
        limit = min(self._known.limit(request.orders.stop_steps), request.timeout)
        command = {
            "folder": str(folder),
            "limit": limit,
            "environment": self._changes(launch["environment"]),
            "mounts": launch["mounts"],
        }
        line = json.dumps(command).encode() + b"\n"
        self._forked[folder] = _Forked(time.monotonic() + launch["wait"], line, limit)
        self._begin_due()
        return folder

    def _view(self, folder: Path) -> View:
        if self.services.sandboxed is None:
            return View(self.program.root)
        sandbox = self.services.sandboxed.sandbox
        assert isinstance(sandbox, Overlay)
        return sandbox.view_over(folder, self._home)

    def _changes(self, variables: Mapping[str, str]) -> dict[str, str | None]:
        """Return the variables in which a trial differs from the nest."""
        names = variables.keys() | self._launched.keys()
        return {
            name: variables.get(name)
            for name in sorted(names)
            if variables.get(name) != self._launched.get(name)
        }

    def _give_earlier_output(self, folder: Path) -> None:
        """Let a trial's output begin with what the program had printed before the fork."""
        assert self._hello is not None
        names = (protocol.STDOUT_FILE, protocol.STDERR_FILE)
        for name, size in zip(names, self._hello["printed"], strict=True):
            with open(self._home / name, "rb") as earlier, open(folder / name, "wb") as later:
                later.write(earlier.read(size))

    def _begin_due(self) -> None:
        """Send the commands of the trials that should begin by now, unless the nest is ended."""
        if self._commands is None:
            return
        now = time.monotonic()
        for forked in self._forked.values():
            if forked.sent is None and now >= forked.begins:
                forked.sent = now
                with contextlib.suppress(BlockingIOError):  # it reads nothing: the trial is late
                    os.write(self._commands, forked.command)

    def ended(self, folder: Path) -> Ended | None:
        self._begin_due()
        ended = Ended.read(folder)
        if ended is None:
            if self._gone():
                self._finish(folder, Ended())
                raise NestUnusable("the process that forks its runs was killed")
            if self._forked[folder].is_late():
                self.interrupt()
                self._finish(folder, Ended())
                raise NestUnusable("a run forked from it did not end in time")
            return None
        if not self._is_read(folder, ended):
            return None
        ended = self._finish(folder, ended)
        if ended.own_fault:
            raise NestUnusable(f"a run forked from it failed ({ended.own_fault})")
        if ended.timed_out:
            raise NestUnusable("a run forked from it did not end in time")
        if ended.signal is not None:
            raise NestUnusable(f"a run forked from it died from {signal_name(ended.signal)}")
        return ended

    def interrupt(self) -> None:
        self._hang_up()
        super().interrupt()

    def close(self) -> None:
        self._hang_up()
        super().close()
        tree.remove(self._temporary)
        if self.services.sandboxed is not None:
            for folder in [*self._prepared, self._home]:
                self.services.sandboxed.sandbox.discard(folder)

    def _hang_up(self) -> None:
        if self._commands is not None:
            os.close(self._commands)
            self._commands = None


def _how(ended: Ended) -> str:
    if ended.signal is not None:
        return f"it died from {signal_name(ended.signal)}"
    return f"it exited with status {ended.status}"

"""Processes in the interpreter under test: started, spoken to, ended.

A :class:`Nest` is one started process with its control folder (``detaudit_probes.protocol``). It is
polled, never waited for, so one thread can manage all of them. However the engine ends, the nest
sees the end of its lifeline and ends itself and its children.
"""

import contextlib
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import detaudit_probes
from detaudit_probes import codec, protocol
from detaudit_probes.backends import KNOWN

from detaudit.core.files import end_of, is_full, read_json, write_json
from detaudit.core.outcome import Ended, last_line, sentence
from detaudit.errors import EnvironmentUnusable
from detaudit.execution.host import Hello, Interpreter
from detaudit.execution.processes import end_group

#: The extras of our own distribution that install a backend.
EXTRAS = tuple(name for name, backend in KNOWN.items() if backend.extra)
GUEST = Path(detaudit_probes.__file__).parent


class Nest:
    """One process with one environment: a :class:`detaudit.execution.host.Host`."""

    def __init__(self, interpreter: Interpreter, control: Path, environment: Mapping[str, str]):
        self.control = control
        self.interpreter = interpreter
        (control / protocol.TRIALS_FOLDER).mkdir(parents=True)
        commands, self._commands = os.pipe()
        lifeline, self._lifeline = os.pipe()
        write_json(
            control / protocol.NEST_FILE,
            {
                "protocol": protocol.PROTOCOL,
                "backend": interpreter.backend,
                "fork": interpreter.fork,
                "imports": interpreter.imports,
                "commands": commands,
                "lifeline": lifeline,
            },
        )
        try:
            self._process = _start(interpreter.path, control, environment, (commands, lifeline))
        finally:
            os.close(commands)
            os.close(lifeline)
        self._began = time.monotonic()
        self._hello: Hello | None = None
        self._failure: EnvironmentUnusable | None = None

    def answered(self) -> bool:
        if self._hello is None and self._failure is None:
            try:
                self._hello = self._read_hello()
            except EnvironmentUnusable as error:
                self._failure = error
        return self._hello is not None or self._failure is not None

    def hello(self) -> Hello:
        if not self.answered():
            raise RuntimeError("requested before the nest answered")
        if self._failure is not None:
            raise self._failure
        assert self._hello is not None
        return self._hello

    def _read_hello(self) -> Hello | None:
        path = self.control / protocol.HELLO_FILE
        gone = self._process.poll()
        if path.exists():
            hello = read_json(path)
            if not hello["ready"]:
                raise EnvironmentUnusable(explain_failure(hello["failure"], self.interpreter))
            return Hello(hello["facts"], tuple(hello["fingerprints"]))
        if gone is not None and is_full(self.control):
            raise EnvironmentUnusable(
                f"No space is left in {self.control.parent}. Free some, or set TMPDIR to a folder on "
                f"another disk."
            )
        if gone is not None:
            raise EnvironmentUnusable(
                f"{self.interpreter.path} exited with status {gone} while importing "
                f"{self.interpreter.backend}{_said(self.control)}. Run it by hand to see why."
            )
        if time.monotonic() - self._began > self.interpreter.start_timeout:
            raise EnvironmentUnusable(
                f"{self.interpreter.path} did not finish importing {self.interpreter.backend} within "
                f"{self.interpreter.start_timeout:.0f} s{_said(self.control)}."
            )
        return None

    def run(self, request: protocol.Request) -> Path:
        folder = self.control / protocol.TRIALS_FOLDER / str(request.trial)
        folder.mkdir()
        write_json(folder / protocol.REQUEST_FILE, codec.encode(request))
        with contextlib.suppress(BrokenPipeError):  # the nest has died: `ended` says so
            os.write(self._commands, f"run {request.trial}\n".encode())
        return folder

    def ended(self, folder: Path) -> Ended | None:
        ended = Ended.read(folder)
        status = self._process.poll() if ended is None else None
        if status is None:
            return ended
        return Ended.read(folder) or Ended(  # written between the two reads
            status if status >= 0 else None,
            -status if status < 0 else None,
            seconds=time.monotonic() - self._began,
        )

    def said(self, folder: Path) -> str:
        return end_of(folder / protocol.STDERR_FILE)

    def interrupt(self) -> None:
        end_group(self._process.pid)

    def close(self) -> None:
        for name in ("_commands", "_lifeline"):
            descriptor = getattr(self, name)
            if descriptor is not None:
                os.close(descriptor)
                setattr(self, name, None)
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.interrupt()
            self._process.wait()
        end_group(self._process.pid)


def _start(
    path: str, control: Path, environment: Mapping[str, str], descriptors: Sequence[int]
) -> subprocess.Popen:
    guest = control / "guest"
    guest.mkdir()
    (guest / GUEST.name).symlink_to(GUEST)
    command = [path, str(GUEST / "bootstrap.py"), str(guest), str(control)]
    with (
        open(control / protocol.STDOUT_FILE, "wb") as out,
        open(control / protocol.STDERR_FILE, "wb") as err,
    ):
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=dict(environment),
                pass_fds=descriptors,
                start_new_session=True,
            )
        except (FileNotFoundError, NotADirectoryError):
            raise EnvironmentUnusable(
                f"There is no interpreter at {path}. Give --python a path such as .venv/bin/python."
            ) from None
        except OSError as error:
            raise EnvironmentUnusable(
                f"{path} cannot be started as a Python interpreter: {error.strerror}."
            ) from None


def _said(control: Path) -> str:
    """Return the last line that the process wrote to stderr, as ``: "..."``."""
    line = last_line(end_of(control / protocol.STDERR_FILE))
    return f', after "{sentence(line)}"' if line else ""


def install_line(interpreter: Interpreter) -> str:
    """Return the command that installs what the backend needs: in detaudit's own environment with
    its extra, in another one without detaudit.
    """
    python = shlex.quote(interpreter.path)
    own = interpreter.path == sys.executable
    if own and interpreter.backend in EXTRAS:
        return f"{python} -m pip install 'detaudit[{interpreter.backend}]'"
    return f"{python} -m pip install {' '.join(KNOWN[interpreter.backend].installs)}"


def explain_failure(failure: Mapping[str, Any], interpreter: Interpreter) -> str:
    """Return a sentence about a nest that answered that it is not ready."""
    if failure["kind"] != "import-failed":
        return f"{interpreter.path}: {failure['message']}."
    if (
        failure["type"] in ("ImportError", "ModuleNotFoundError")
        and failure["missing"] == failure["module"]
    ):
        return (
            f"{interpreter.path} has no {failure['module']}. Install it there with: "
            f"{install_line(interpreter)}. Or give --python an interpreter that has it."
        )
    return (
        f"{interpreter.path} cannot import {failure['module']}: {failure['type']}: {failure['message']}. "
        f"Its installation is broken: repair it, then try again."
    )

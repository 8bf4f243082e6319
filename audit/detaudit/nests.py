"""Processes in the interpreter under test: started, spoken to, ended.

A :class:`Nest` is one started process with its control folder (``detaudit_probes.protocol``). It is
polled, never waited for, so one thread can look after all of them. Whatever happens to the engine,
the nest sees the end of its lifeline and ends itself and its children.
"""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import detaudit_probes
from detaudit_probes import codec, protocol

from detaudit.errors import EnvironmentUnusable
from detaudit.outcome import sentence

GUEST = Path(detaudit_probes.__file__).parent


@dataclass(frozen=True)
class Interpreter:
    """The interpreter under test. ``path`` is used as given: the link of a virtual environment
    stays a link.

    ``fork`` false starts a fresh process for every trial; ``imports`` false asks for the hello
    alone.
    """

    path: str
    backend: str
    fork: bool = True
    probes: tuple[str, ...] = ()
    imports: bool = True
    start_timeout: float = 300.0


class Nest:
    """One process, with one environment. Once it has :meth:`answered`, :meth:`run` starts
    trials.
    """

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
                "probes": list(interpreter.probes),
            },
        )
        try:
            self._process = _start(interpreter.path, control, environment, (commands, lifeline))
        finally:
            os.close(commands)
            os.close(lifeline)
        self._began = time.monotonic()
        self._hello: dict[str, Any] | None = None
        self._failure: EnvironmentUnusable | None = None

    def answered(self) -> bool:
        """Whether :meth:`hello` has an answer, good or bad, without waiting."""
        if self._hello is None and self._failure is None:
            try:
                self._hello = self._read_hello()
            except EnvironmentUnusable as error:
                self._failure = error
        return self._hello is not None or self._failure is not None

    def hello(self) -> dict[str, Any]:
        """What the nest said of itself, once it has answered.

        Raises EnvironmentUnusable where it could not start, with what was seen.
        """
        if not self.answered():
            raise RuntimeError("asked before it answered")
        if self._failure is not None:
            raise self._failure
        assert self._hello is not None
        return self._hello

    def _read_hello(self) -> dict[str, Any] | None:
        path = self.control / protocol.HELLO_FILE
        gone = self._process.poll()
        if path.exists():
            hello = json.loads(path.read_text(encoding="utf-8"))
            if not hello["ready"]:
                raise EnvironmentUnusable(explain_failure(hello["failure"], self.interpreter))
            return hello
        if gone is not None:
            raise EnvironmentUnusable(
                f"{self.interpreter.path} ended with status {gone} while it imported "
                f"{self.interpreter.backend}{_said(self.control)}. Run it by hand to see why."
            )
        if time.monotonic() - self._began > self.interpreter.start_timeout:
            raise EnvironmentUnusable(
                f"{self.interpreter.path} did not finish importing {self.interpreter.backend} within "
                f"{self.interpreter.start_timeout:.0f} s{_said(self.control)}."
            )
        return None

    def run(self, request: protocol.Request) -> Path:
        """Start a trial; its folder, in which ``exit.json`` appears when it has ended."""
        folder = self.control / protocol.TRIALS_FOLDER / str(request.trial)
        folder.mkdir()
        write_json(folder / protocol.REQUEST_FILE, codec.encode(request))
        with contextlib.suppress(BrokenPipeError):  # the nest has died: `ended` says so
            os.write(self._commands, f"run {request.trial}\n".encode())
        return folder

    def ended(self, folder: Path) -> dict[str, Any] | None:
        """How the trial in ``folder`` ended, or None while it runs."""
        path = folder / protocol.EXIT_FILE
        if path.exists():
            return json.loads(path.read_text(encoding="utf-8"))
        status = self._process.poll()
        if status is None:
            return None
        if path.exists():  # written between the two looks
            return json.loads(path.read_text(encoding="utf-8"))
        return {
            "status": status if status >= 0 else None,
            "signal": -status if status < 0 else None,
            "timed_out": False,
            "seconds": time.monotonic() - self._began,
        }

    def said(self, folder: Path) -> str:
        """The end of what the trial in ``folder`` wrote to stderr."""
        path = folder / protocol.STDERR_FILE
        return path.read_bytes()[-4000:].decode("utf-8", "replace") if path.exists() else ""

    def interrupt(self) -> None:
        """End the process and all of its children now."""
        _kill_group(self._process.pid)

    def close(self) -> None:
        """End the nest, its children with it. Returns when it is gone."""
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
        _kill_group(self._process.pid)


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
                f"No interpreter at {path}. Give --python the path of one."
            ) from None
        except OSError as error:
            raise EnvironmentUnusable(
                f"{path} cannot be started as a Python interpreter: {error.strerror}."
            ) from None


def _said(control: Path) -> str:
    """The last line that the process wrote to stderr, as ``: "..."``."""
    lines = (
        (control / protocol.STDERR_FILE)
        .read_bytes()[-4000:]
        .decode("utf-8", "replace")
        .strip()
        .splitlines()
    )
    return f', after "{sentence(lines[-1])}"' if lines else ""


def explain_failure(failure: Mapping[str, Any], interpreter: Interpreter) -> str:
    """One sentence for a nest that answered that it is not ready."""
    if failure["kind"] != "import-failed":
        return f"{interpreter.path}: {failure['message']}."
    if (
        failure["type"] in ("ImportError", "ModuleNotFoundError")
        and failure["missing"] == failure["module"]
    ):
        return (
            f"{interpreter.path} has no {failure['module']}. Install it there, or give --python an interpreter "
            f"that has it (for TensorFlow and Keras: pip install 'detaudit[tensorflow]')."
        )
    return (
        f"{interpreter.path} cannot import {failure['module']}: {failure['type']}: {failure['message']}. "
        f"Its installation is broken: mend it, then scan again."
    )


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def write_json(path: Path, document: Any) -> None:
    draft = path.with_name(path.name + ".part")
    draft.write_text(json.dumps(document, sort_keys=True), encoding="utf-8")
    os.replace(draft, path)

"""The interface of what runs trials: nests in the interpreter under test, or the user's program.

A host is one started process with its own folder. It is polled, never waited for, so one thread can
manage all of them.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from detaudit_probes import protocol

from detaudit.core.condition import Trial
from detaudit.core.experiment import Finished
from detaudit.core.outcome import Ended


@dataclass(frozen=True)
class Interpreter:
    """The interpreter under test.

    ``path`` is used as given: the link of a virtual environment stays a link. If ``fork`` is false,
    every trial is a fresh process; if ``imports`` is false, only the hello is requested.
    """

    path: str
    backend: str
    fork: bool = True
    imports: bool = True
    start_timeout: float = 300.0


class Hello(NamedTuple):
    """What the interpreter under test reports about itself: its ``facts``, and the ``fingerprints``
    that it can compute, the best first.
    """

    facts: dict[str, Any]
    fingerprints: tuple[str, ...]


class Host(Protocol):
    """One process with one environment. Once it has :meth:`answered`, :meth:`run` starts trials."""

    def answered(self) -> bool:
        """Return whether :meth:`hello` has an answer, good or bad, without waiting."""

    def hello(self) -> Hello:
        """Return its hello, once it has answered. Raises EnvironmentUnusable with the reason if it
        could not start.
        """

    def run(self, request: protocol.Request) -> Path:
        """Start a trial; return the trial's folder."""

    def ended(self, folder: Path) -> Ended | None:
        """Return how the trial in ``folder`` ended, or None while it runs."""

    def said(self, folder: Path) -> str:
        """Return the end of what the trial in ``folder`` wrote to stderr."""

    def interrupt(self) -> None:
        """End the process and all of its children now."""

    def close(self) -> None:
        """End the process and its children. Returns when it is gone."""


class OpenHost(Protocol):
    """Opens hosts: ``control`` is the new host's folder, ``environment`` are all of its variables.
    Raises EnvironmentUnusable if no process can be started.
    """

    def __call__(
        self, interpreter: Interpreter, control: Path, environment: Mapping[str, str], /
    ) -> Host: ...


class NestUnusable(Exception):
    """A nest of the user's program cannot serve, or no longer: the message says why. Its trials
    are run in fresh processes.
    """


class ProgramNests(Protocol):
    """Nests of a user's program, in place of fresh processes for some of its trials.

    Their hosts raise :class:`NestUnusable` from ``hello`` and ``ended``.
    """

    @property
    def most(self) -> int:
        """How many of them to keep, idle ones included."""

    def takes(self, trial: Trial) -> bool:
        """Whether a nest may run this trial."""

    def group(self, trial: Trial) -> Hashable:
        """Return what selects the nest, besides the trial's variables and side."""

    def open(
        self,
        interpreter: Interpreter,
        control: Path,
        environment: Mapping[str, str],
        trial: Trial,
    ) -> Host:
        """Start a nest for trials like this one."""

    def learn(self, finished: Finished) -> None:
        """Take note of a finished trial: a fresh one shows where nests can fork."""

    def drop(self, reason: str) -> None:
        """Run every later trial in a fresh process."""

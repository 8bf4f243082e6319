"""What runs trials, as an interface: nests in the interpreter under test, or a program of the user.

A host is one started process with a folder of its own. It is polled, never waited for, so one
thread can look after all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from detaudit_probes import protocol

from detaudit.core.outcome import Ended


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


class Hello(NamedTuple):
    """What the interpreter under test says of itself: its ``facts``, and the ``fingerprints`` that
    it can make, the best first.
    """

    facts: dict[str, Any]
    fingerprints: tuple[str, ...]


class Host(Protocol):
    """One process with one environment. Once it has :meth:`answered`, :meth:`run` starts trials."""

    def answered(self) -> bool:
        """Whether :meth:`hello` has an answer, good or bad, without waiting."""

    def hello(self) -> Hello:
        """What it said of itself, once it has answered.

        Raises EnvironmentUnusable where it could not start, with what was seen.
        """

    def run(self, request: protocol.Request) -> Path:
        """Start a trial; the trial's folder."""

    def ended(self, folder: Path) -> Ended | None:
        """How the trial in ``folder`` ended, or None while it runs."""

    def said(self, folder: Path) -> str:
        """The end of what the trial in ``folder`` wrote to stderr."""

    def interrupt(self) -> None:
        """End the process and all of its children now."""

    def close(self) -> None:
        """End the process, its children with it. Returns when it is gone."""


class OpenHost(Protocol):
    """What opens hosts: ``control`` is the new one's folder, ``environment`` all of its
    variables.

    Raises EnvironmentUnusable where no process can be started.
    """

    def __call__(
        self, interpreter: Interpreter, control: Path, environment: Mapping[str, str], /
    ) -> Host: ...

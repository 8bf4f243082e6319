"""An outcome is data about a child: how one trial ended."""

import re
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detaudit_probes import protocol

from detaudit.core.files import read_json

COMPLETED, UNAVAILABLE, FAILED = "completed", "unavailable", "failed"
CRASHED, TIMED_OUT, UNSTARTED = "crashed", "timed-out", "unstarted"
OWN_FAULT = "own-fault"  # detaudit's own code failed: this says nothing about the program


_TRACEBACK = "Traceback (most recent call last):"
_EXCEPTION = re.compile(r"^\s*([A-Za-z_][\w.]*(?:Error|Exception|Interrupt)\b.*)$", re.MULTILINE)
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass(frozen=True)
class Outcome:
    """``kind`` is one of the constants above; ``reason`` is a sentence for people, empty when
    completed. The trial took ``seconds``; it ``began`` at this UNIX time, if that is known.
    """

    kind: str
    reason: str = ""
    seconds: float = 0.0
    max_rss: int = 0
    began: float | None = None

    @property
    def completed(self) -> bool:
        return self.kind == COMPLETED


@dataclass(frozen=True)
class Ended:
    """How the process of a trial ended: with a ``status`` or by a ``signal``; neither may be known.

    ``max_rss`` is in bytes, 0 if it was not measured. ``own_fault`` says what went wrong in
    detaudit's own code; empty if nothing did.
    """

    status: int | None = None
    signal: int | None = None
    timed_out: bool = False
    seconds: float = 0.0
    max_rss: int = 0
    own_fault: str = ""

    @classmethod
    def read(cls, folder: Path) -> "Ended | None":
        """Return what the supervisor of the trial has written; None before that."""
        path = folder / protocol.EXIT_FILE
        return cls(**read_json(path)) if path.exists() else None


def of_child(written: dict[str, Any], ended: Ended, steps: int, stderr: str = "") -> Outcome:
    """Return the outcome of a child, from its own report and from how its process ended.

    A child's own report counts only if its process ended accordingly. ``stderr`` is the end of its
    standard error, whose last line is reported if the child died. ``ended.own_fault`` takes
    precedence over everything else.
    """
    seconds, rss = ended.seconds, ended.max_rss
    kind = written.get("kind")
    if ended.own_fault:
        return Outcome(OWN_FAULT, sentence(ended.own_fault), seconds, rss)
    if kind == OWN_FAULT:
        return Outcome(
            OWN_FAULT, sentence(f"{written.get('type')}: {written.get('message')}"), seconds, rss
        )
    if ended.timed_out:
        return Outcome(
            TIMED_OUT,
            f"stopped by the timeout after {seconds:.0f} s and {_steps(steps)}",
            seconds,
            rss,
        )
    if ended.signal is not None:
        return Outcome(
            CRASHED,
            f"died from {signal_name(ended.signal)} after {_steps(steps)}{_last(stderr)}",
            seconds,
            rss,
        )
    if kind == COMPLETED and ended.status == 0:
        return Outcome(COMPLETED, "", seconds, rss)
    # A script has its own exit status, whatever was recorded about it
    if kind == COMPLETED and ended.status:
        return Outcome(FAILED, f"exited with status {ended.status}{_last(stderr)}", seconds, rss)
    if kind == UNAVAILABLE:
        return Outcome(UNAVAILABLE, str(written.get("reason")), seconds, rss)
    if kind == FAILED:
        where = f" ({written['where']})" if written.get("where") else ""
        return Outcome(
            FAILED,
            sentence(f"{written.get('type')}: {written.get('message')}{where}"),
            seconds,
            rss,
        )
    if ended.status == 0 and kind is None:
        return Outcome(
            CRASHED, f"it ran no Python that could be recorded{_last(stderr)}", seconds, rss
        )
    return Outcome(
        CRASHED,
        f"exited with status {ended.status} after {_steps(steps)}, with an incomplete trace{_last(stderr)}",
        seconds,
        rss,
    )


def sentence(text: str) -> str:
    """Return text from outside on one line, without colors, and shortened."""
    words = " ".join(_COLOURS.sub("", text).split())
    return words if len(words) <= 500 else words[:499] + "\N{HORIZONTAL ELLIPSIS}"


def last_line(text: str) -> str:
    """Return the last line that is not blank; empty if there is none."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def _steps(number: int) -> str:
    return f"{number} step" if number == 1 else f"{number} steps"


def _last(stderr: str) -> str:
    """Return the exception that ended a program, else its last line: another thread may have
    written after the traceback.
    """
    _, found, traceback = stderr.rpartition(_TRACEBACK)
    exceptions = _EXCEPTION.findall(traceback) if found else []
    line = exceptions[-1] if exceptions else last_line(stderr)
    return f": {sentence(line)}" if line else ""


def signal_name(number: int) -> str:
    """Return ``SIGSEGV``; for SIGKILL with a note that the kernel sends it when memory runs out."""
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    return f"{name} (killed, perhaps because memory ran out)" if name == "SIGKILL" else name

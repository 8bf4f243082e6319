"""The events of an audit, as types: the engine emits them, one place draws them."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Expected:
    """The expected size of the audit, from now on: ``runs`` includes those that have ended, and
    ``seconds`` are wall time.

    Of these, ``later_runs`` and ``later_seconds`` belong to later work with a different time per
    run.
    """

    runs: int
    seconds: float
    later_runs: int = 0
    later_seconds: float = 0.0


@dataclass(frozen=True)
class Phase:
    """A part of the audit begins."""

    title: str


@dataclass(frozen=True)
class TrialEnded:
    """``done`` of ``known`` trials have ended; ``known`` counts the trials requested so far, so it
    grows.
    """

    done: int
    known: int
    model: str
    outcome: str


@dataclass(frozen=True)
class ScriptEnded:
    """A run that is not a trial has ended: a plain script in its own process."""


@dataclass(frozen=True)
class Decided:
    """A source has its verdict."""

    source: str
    verdict: str
    reason: str


@dataclass(frozen=True)
class Notice:
    """Something that a user should know before the work, or as soon as it is known."""

    text: str


@dataclass(frozen=True)
class Differing:
    """Two runs differ: known long before the end, so the user is informed at once, and once."""

    text: str


@dataclass(frozen=True)
class Closing:
    """No trial is running: the results are being prepared for the report."""


Event = Expected | Phase | TrialEnded | ScriptEnded | Decided | Notice | Differing | Closing
Emit = Callable[[Event], None]


def logged(emit: Emit) -> Emit:
    """Return ``emit`` with a log line for every event that is shown to the user."""

    def logging_emit(event: Event) -> None:
        if isinstance(event, Phase):
            _LOG.info("%s", event.title)
        elif isinstance(event, Notice | Differing):
            _LOG.info("%s", event.text)
        elif isinstance(event, Decided):
            _LOG.info("%s: %s (%s)", event.source, event.verdict, event.reason)
        emit(event)

    return logging_emit

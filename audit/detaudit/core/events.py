"""What happens during an audit, as typed events: the engine emits them, one place draws them."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Expected:
    """What the audit is expected to take from now on: ``runs`` counts those that have ended, and
    ``seconds`` are wall time.

    Of both, ``later_runs`` and ``later_seconds`` belong to work that takes another time per run
    than the work before it.
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
    """``done`` of ``known`` trials have ended; ``known`` counts what was asked for by now, so it
    grows.
    """

    done: int
    known: int
    model: str
    outcome: str


@dataclass(frozen=True)
class ScriptEnded:
    """A run that is no trial has ended: a plain script in a process of its own."""


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
    """Two runs differ: known long before the end, so a user is told at once, and once."""

    text: str


@dataclass(frozen=True)
class Closing:
    """No trial runs any more: what is known is put in order, to be handed over."""


Event = Expected | Phase | TrialEnded | ScriptEnded | Decided | Notice | Differing | Closing
Emit = Callable[[Event], None]


def logged(emit: Emit) -> Emit:
    """``emit``, with a line in the log for every event that is told to the user."""

    def logging_emit(event: Event) -> None:
        if isinstance(event, Phase):
            _LOG.info("%s", event.title)
        elif isinstance(event, Notice | Differing):
            _LOG.info("%s", event.text)
        elif isinstance(event, Decided):
            _LOG.info("%s: %s (%s)", event.source, event.verdict, event.reason)
        emit(event)

    return logging_emit

"""What happens during an audit, as typed events: the engine emits them, one place draws them."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Expected:
    """The work that is known at the start: trials, environments, and wall time in seconds."""

    trials: int
    environments: int
    seconds: float


@dataclass(frozen=True)
class Phase:
    """A part of the audit begins."""

    title: str


@dataclass(frozen=True)
class TrialEnded:
    """``done`` of ``known`` trials have ended; ``known`` grows when a race needs more pairs."""

    done: int
    known: int
    model: str
    outcome: str


@dataclass(frozen=True)
class Decided:
    """A source has its verdict."""

    source: str
    verdict: str
    reason: str


@dataclass(frozen=True)
class Told:
    """Something that a user should know before the work, or as soon as it is known."""

    text: str


Event = Expected | Phase | TrialEnded | Decided | Told
Emit = Callable[[Event], None]


def logged(emit: Emit) -> Emit:
    """``emit``, with a line in the log for every event that is told to the user."""

    def logging_emit(event: Event) -> None:
        if isinstance(event, Phase):
            _LOG.info("%s", event.title)
        elif isinstance(event, Told):
            _LOG.info("%s", event.text)
        elif isinstance(event, Decided):
            _LOG.info("%s: %s (%s)", event.source, event.verdict, event.reason)
        emit(event)

    return logging_emit

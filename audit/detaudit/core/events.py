"""What happens during an audit, as typed events: the engine emits them, one place draws them."""

from collections.abc import Callable
from dataclasses import dataclass


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


@dataclass(frozen=True)
class Closing:
    """No trial runs any more: what is known is put in order, to be handed over."""


Event = Expected | Phase | TrialEnded | Decided | Told | Closing
Emit = Callable[[Event], None]

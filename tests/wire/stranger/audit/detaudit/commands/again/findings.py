"""What two trials of one condition showed, as values."""

from dataclasses import dataclass, field
from typing import Any

from detaudit.core.conclusion import Failure
from detaudit.core.divergence import Divergence
from detaudit.core.experiment import Finished
from detaudit.core.verdict import Verdict


@dataclass(frozen=True)
class AgainAudit:
    """``matches`` None: not decided, because of a ``problem`` where there was one."""

    options: dict[str, Any]
    matches: bool | None = None
    divergence: Divergence | None = None
    problem: str = ""
    # What every report has
    environment: dict[str, Any] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()
    trials: tuple[Finished, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: dict[str, Any] = field(default_factory=dict)
    began: str = ""
    seconds: float = 0.0
    strict: bool = False
    over_budget: bool = False
    interrupted: bool = False
    failure: Failure | None = None
    resume: str | None = None

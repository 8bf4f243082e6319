"""The user's options, which are in the report."""

from dataclasses import dataclass

from detaudit.execution.limits import TRIAL_SECONDS

RUNS = 30


@dataclass(frozen=True)
class Options:
    """``seed_args``, ``seed_env``, ``parse``, ``results``, ``metric`` and
    ``by_source`` are for a user's
    program.
    """

    python: str
    backend: str | None = None
    device: str = "auto"
    runs: int = RUNS
    seed: int = 1
    seed_args: str | None = None
    seed_env: str | None = None
    parse: tuple[str, ...] = ()
    results: str | None = None
    metric: str | None = None
    by_source: bool = False
    jobs: int | None = None
    timeout: float = TRIAL_SECONDS
    budget: str | None = None

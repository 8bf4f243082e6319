"""The user's options, which are in the report."""

from dataclasses import dataclass, replace

from detaudit.execution.limits import RUN_SECONDS, TRIAL_SECONDS

#: The network of the tutorial that detaudit grew from.
MODEL = "tutorial"
RUNS = 30
SEED = 1


@dataclass(frozen=True)
class Options:
    """``seed_args``, ``seed_env``, ``parse``, ``results`` and ``metric`` are for a user's program,
    ``model`` for our own. ``delta`` is the difference of the first result that the user asks about.
    """

    python: str
    backend: str | None = None
    model: str = MODEL
    device: str = "auto"
    runs: int = RUNS
    seed: int | None = None
    seed_args: str | None = None
    seed_env: str | None = None
    parse: tuple[str, ...] = ()
    results: str | None = None
    metric: str | None = None
    delta: float | None = None
    by_source: bool = False
    jobs: int | None = None
    timeout: float | None = None
    budget: str | None = None

    def complete(self, of_program: bool) -> "Options":
        """Return the options with a seed and a time limit, which is longer for a program of the
        user's.
        """
        limit = RUN_SECONDS if of_program else TRIAL_SECONDS
        return replace(
            self,
            seed=SEED if self.seed is None else self.seed,
            timeout=limit if self.timeout is None else self.timeout,
        )

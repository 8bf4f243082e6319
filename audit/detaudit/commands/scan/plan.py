"""The plan of a scan: which sources, how many pairs, and how long that should take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from detaudit_probes.declare import Compare, Source
from detaudit_probes.kit.models import names as models_of

from detaudit.core.nearest import did_you_mean
from detaudit.errors import UsageError
from detaudit.registry import base

QUICK, DEFAULT, FULL = "quick", "default", "full"

#: Models on which a quick scan climbs the ladder.
QUICK_MODELS = ("mlp", "text")

#: A quick scan tries a source on this many of its models and settings, the most informative first,
#: and with its recommended pin.
QUICK_UNPIN, QUICK_COMPARE, QUICK_SETTINGS = 1, 2, 2

#: Pairs of each condition; races take more (``experiments.unpin.RACE_PAIRS``).
PAIRS = {QUICK: 1, DEFAULT: 2, FULL: 5}

#: Pairs of fresh processes in which the recipe's own lines must give the same bits.
PROOF_PAIRS = {QUICK: 3, DEFAULT: 5, FULL: 5}

# Seconds, measured on two shared cores with TensorFlow 2.21 on Python 3.11
# (docs/explanation/speed.md).
COST_RUNS = 6  # of ``experiments.cost``: three alternations of two conditions
COST_SECONDS = 8.0
PROOF_SECONDS = 19.0


@dataclass(frozen=True)
class Plan:
    """``requested`` are the ids that the user named: if one of them cannot be tried, the audit is
    undecided. ``untried`` are the sources that this depth omits.
    """

    depth: str
    sources: tuple[Source, ...]
    models: tuple[str, ...]
    ladder_models: tuple[str, ...]
    pairs: int
    requested: tuple[str, ...] = ()
    untried: tuple[Source, ...] = ()

    @property
    def sections(self) -> bool:
        """Whether the matrix, the placebos and reach are part of the audit."""
        return self.depth != QUICK and not self.requested

    @property
    def ladder(self) -> bool:
        return not self.requested

    @property
    def proof_pairs(self) -> int:
        """The number of pairs of fresh processes in which the recipe's own lines are tried."""
        return PROOF_PAIRS[self.depth] if self.ladder else 0

    @property
    def runs_alone(self) -> int:
        """The number of runs of the recipe's proof and cost, if nothing fails."""
        return 2 * self.proof_pairs + COST_RUNS if self.proof_pairs else 0

    @property
    def seconds_alone(self) -> float:
        """A rough forecast for what runs with nothing beside it: the recipe's proof and cost."""
        return COST_SECONDS + self.proof_pairs * PROOF_SECONDS if self.proof_pairs else 0.0


def choose(
    backend: str, depth: str, only: Sequence[str], skip: Sequence[str], pairs: int | None
) -> Plan:
    """Return the plan of a scan. Raises UsageError for an id that no source has, with the nearest
    valid one.
    """
    known = base.known_sources(backend)
    for name in (*only, *skip):
        check_id(name, base.known_sources())
    elsewhere = [
        name for name in only if not any(_named(source, [name]) for source in known.values())
    ]
    if elsewhere:
        raise UsageError(
            f"{elsewhere[0]} is not a source on {backend}. `detaudit explain {elsewhere[0]}` lists its backends."
        )
    wanted = [source for source in known.values() if not _named(source, skip)]
    chosen = wanted
    if only:
        chosen = [source for source in chosen if _named(source, only)]
    elif depth == QUICK:
        chosen = [source for source in chosen if source.quick]
    untried = tuple(source for source in wanted if source not in chosen and not only)
    if depth == QUICK:
        chosen = [narrowed(source) for source in chosen]
    if not chosen:
        raise UsageError("No source is left to try: --skip removes every source that --only names.")
    models = models_of(backend)
    few = tuple(name for name in models if name in QUICK_MODELS)
    return Plan(
        depth,
        tuple(chosen),
        models,
        few if depth == QUICK else models,
        pairs or PAIRS[depth],
        tuple(source.id for source in chosen) if only else (),
        untried,
    )


def narrowed(source: Source) -> Source:
    """Return the source as a quick scan tries it."""
    plan = source.experiment
    if isinstance(plan, Compare):
        return source._replace(
            experiment=plan._replace(
                models=plan.models[:QUICK_COMPARE], settings=plan.settings[:QUICK_SETTINGS]
            )
        )
    pins = (plan.pins or tuple(pin.id for pin in source.pins))[:1]
    return source._replace(experiment=plan._replace(models=plan.models[:QUICK_UNPIN], pins=pins))


def _named(source: Source, names: Sequence[str]) -> bool:
    """Return the sources of an id: ``third-party`` names every ``third-party:NAME``."""
    return source.id in names or source.id.partition(":")[0] in names


def check_id(name: str, known: Mapping[str, Source]) -> None:
    """Raise UsageError if no source has this id, and suggest the nearest."""
    ids = {*known, *(one.partition(":")[0] for one in known)}
    if name in ids:
        return
    hint = did_you_mean(name, sorted(ids))
    raise UsageError(f"There is no source {name!r}.{hint} `detaudit sources` lists them.")

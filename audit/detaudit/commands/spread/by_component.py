"""How far the results of our own models are apart by component: in each row one component gets a
new seed in every run, and the others keep theirs.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from detaudit_probes.protocol import own_setting

from detaudit.commands.spread.by_source import EVERYTHING, NOTHING, judged, row_of
from detaudit.commands.spread.findings import Row
from detaudit.commands.spread.summary import Results
from detaudit.core.condition import Condition, Trial
from detaudit.core.experiment import Experiment
from detaudit.registry import base

#: Rows that are no source. The second is a family of sources as well.
EVERY_SEED, PARALLEL, ONE_BIT = "every seed", "parallel arithmetic", "one bit"


#: Of how many runs of a row, and how many of their steps are recorded, to see when they first
#: differ: recording makes small steps several times slower.
RECORDED, RECORDED_STEPS = 3, 20


@dataclass(frozen=True)
class _Free:
    """The trials of a row, in which only this is free."""

    name: str
    trials: tuple[Trial, ...]

    @classmethod
    def of(cls, name: str, conditions: Iterable[Condition], draws: Iterable[int]) -> "_Free":
        """Return the row with a trial for each condition and draw. The first ones are recorded, the
        others only end on something.
        """
        trials = [Trial(*one) for one in zip(conditions, draws, strict=False)]
        unrecorded = (
            replace(one, condition=one.condition.with_orders(record=False))
            for one in trials[RECORDED:]
        )
        return cls(name, (*trials[:RECORDED], *unrecorded))


def rows(condition: Condition, runs: int, read: Results) -> Experiment[tuple[Row, ...]]:
    """Return a row for nothing free, for each component of the condition's model, for all of them,
    for parallel arithmetic, for one flipped bit, and for everything free.
    """
    condition = condition.with_orders(record_steps=RECORDED_STEPS)
    wanted = [_nothing(condition, runs), *_free(condition, runs)]
    found = yield list(dict.fromkeys(trial for one in wanted for trial in one.trials))
    made = [
        row_of(one.name, len(one.trials), [found[trial] for trial in one.trials], read)
        for one in wanted
    ]
    nothing = made[0]
    if nothing.identical < nothing.wanted:
        return (nothing,)
    return (nothing, *(judged(row, nothing) for row in made[1:]))


def _nothing(condition: Condition, runs: int) -> _Free:
    pinned = _seeded(condition, 0, ())
    return _Free.of(NOTHING, itertools.repeat(pinned), range(runs))


def _free(condition: Condition, runs: int) -> Iterator[_Free]:
    """Return the rows after the first. Seeds are reproducible, so one run of each is enough; where
    threads race, each run is another draw.
    """
    components = base.components(condition.model, condition.backend)
    for component in components:
        yield _with_seeds(" with ".join(component), condition, runs, component)
    every = tuple(itertools.chain(*components))
    yield _with_seeds(EVERY_SEED, condition, runs, every)
    sources = base.family(PARALLEL, condition.backend)
    parallel = condition.without(sources, base.known_pins(condition.backend))
    fixed = _seeded(parallel, 0, ())
    yield _Free.of(PARALLEL, itertools.repeat(fixed), range(runs))
    first = _seeded(condition, 0, ())
    flipped = (first.with_orders(flipped=place) for place in range(runs - 1))
    yield _Free.of(ONE_BIT, (first, *flipped), itertools.repeat(0))
    seeded = (_seeded(parallel, place, every) for place in range(runs))
    yield _Free.of(EVERYTHING, seeded, range(runs))


def _with_seeds(name: str, condition: Condition, runs: int, free: Sequence[str]) -> _Free:
    seeded = (_seeded(condition, place, free) for place in range(runs))
    return _Free.of(name, seeded, itertools.repeat(0))


def _seeded(condition: Condition, place: int, free: Sequence[str]) -> Condition:
    """Return the condition with seeds of its own for all components: those that are ``free`` get
    the one of this run.
    """
    first = condition.seed
    for name in itertools.chain(*base.components(condition.model, condition.backend)):
        seed = first + (place if name in free else 0)
        if base.has_own_seed(name, condition.backend):
            condition = condition.with_settings(own_setting(name, seed))
        else:
            condition = replace(condition, seed=seed)
    return condition

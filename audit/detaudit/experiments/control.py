"""Everything pinned against everything pinned: if that parts, no cause can be told from any
other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from detaudit.condition import Condition, pairs
from detaudit.core.experiment import Experiment
from detaudit.experiments.tally import Tally, tally


@dataclass(frozen=True)
class Control:
    """One tally a model."""

    tallies: tuple[Tally, ...]

    @property
    def parted(self) -> tuple[Tally, ...]:
        return tuple(one for one in self.tallies if one.parted)

    @property
    def undecided(self) -> tuple[Tally, ...]:
        return tuple(
            one for one in self.tallies if not one.parted and (one.problems or not one.agreed)
        )

    @property
    def holds(self) -> bool:
        return bool(self.tallies) and not self.parted and not self.undecided


def control(base: Condition, models: Sequence[str], wanted: int) -> Experiment[Control]:
    """``wanted`` pairs of the base condition on every model; every observation counts."""
    asked = {
        condition: pairs(condition, wanted)
        for condition in (replace(base, model=model) for model in models)
    }
    found = yield [trial for some in asked.values() for one in some for trial in one]
    return Control(tuple(tally(condition, some, found) for condition, some in asked.items()))

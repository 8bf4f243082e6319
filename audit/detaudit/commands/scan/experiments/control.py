"""The control: runs with everything pinned. If they differ, no cause can be distinguished from any
other.
"""

from collections.abc import Sequence
from dataclasses import replace

from detaudit.commands.scan.findings import Control
from detaudit.core.condition import Condition, pairs
from detaudit.core.experiment import Experiment
from detaudit.core.tally import tally


def control(base: Condition, models: Sequence[str], wanted: int) -> Experiment[Control]:
    """Run ``wanted`` pairs of the base condition on every model; every observation counts."""
    asked = {
        condition: pairs(condition, wanted)
        for condition in (replace(base, model=model) for model in models)
    }
    found = yield [trial for some in asked.values() for one in some for trial in one]
    return Control(tuple(tally(condition, some, found) for condition, some in asked.items()))

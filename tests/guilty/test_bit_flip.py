"""One bit flipped in a live variable, never in the trace, is always found, and named to the tensor
and the step.
"""

import json
import random
from dataclasses import replace

import pytest
from detaudit.core.condition import Trial
from detaudit.core.divergence import Divergence
from detaudit.core.experiment import Asking
from detaudit.core.tally import compare_finished
from detaudit_probes.protocol import Settings, own_setting

from tests.guilty.conftest import MODELS, base_condition

pytestmark = pytest.mark.guilty

_places = random.Random(20260101)
FLIPS = [
    {
        "model": model,
        "slot": slot,
        "variable": _places.randrange(20),
        "step": _places.randrange(2),
        "element": _places.randrange(1000),
        "bit": _places.randrange(23),
    }
    for model in MODELS
    for slot in (False, True)
]


def run(runner, condition):
    def ask():
        found = yield [Trial(condition, 0)]
        return found[Trial(condition, 0)]

    asking = Asking(ask())
    runner.run([asking])
    assert asking.finding.outcome.completed, asking.finding.outcome
    return asking.finding


@pytest.fixture(scope="module")
def runner(make_runner):
    return make_runner({"when": "option"})


@pytest.mark.parametrize(
    "flip", FLIPS, ids=lambda flip: f"{flip['model']}-{'slot' if flip['slot'] else 'weight'}"
)
def test_a_flipped_bit_is_found_where_it_was_flipped(runner, flip):
    # Adam has slots; the text model's own SGD has none.
    condition = replace(base_condition(), model=flip["model"]).with_settings(
        Settings(optimizer="adam")
    )
    clean = run(runner, condition)
    found = compare_finished(
        clean, run(runner, condition.with_settings(own_setting("plant", json.dumps(flip))))
    )
    assert isinstance(found, Divergence)
    assert (found.stage, found.step, found.kind) == ("update", flip["step"], "bits")
    assert found.distance.differing_elements == 1
    assert found.distance.ulps_max == 1 << flip["bit"]
    assert found.name.startswith("optimizer/") == flip["slot"]
    assert found.name == variable_name(clean, flip)


def variable_name(done, flip):
    """The name of the variable that the plant chose, from the columns of the clean trace."""
    table = next(table for table in done.trace.tables if table.kind == "steps")
    names = [name for stage, name in table.columns if stage == "update"]
    if flip["slot"]:
        slots = [
            name
            for name in names
            if name.startswith("optimizer/") and not name.endswith("iteration")
        ][1:]
        return slots[flip["variable"] % len(slots)]
    weights = [name for stage, name in table.columns if stage == "gradient"]
    weights = list(
        dict.fromkeys(name.removesuffix(" values").removesuffix(" indices") for name in weights)
    )
    return weights[flip["variable"] % len(weights)]

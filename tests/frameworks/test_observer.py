"""Recording changes nothing: a recorded training ends on the same bits as an unrecorded one, on
every tiny model.
"""

from dataclasses import replace

import pytest
from detaudit.core.condition import Trial
from detaudit.core.experiment import Asking
from detaudit_probes.protocol import NO_SETTINGS, Settings

from tests.guilty.conftest import MODELS, base_condition, make_runner  # noqa: F401  (a fixture)
from tests.slow import slow_but_for

pytestmark = pytest.mark.framework

WAYS = {
    "compiled": NO_SETTINGS,
    "xla": Settings(jit_compile=True),
    "eager": Settings(run_eagerly=True),
    "two threads": Settings(intra_op_threads=2),
}


def ask(trials):
    found = yield trials
    return {trial: found[trial] for trial in trials}


@pytest.fixture(scope="module", params=slow_but_for(["compiled", "eager"], WAYS))
def trained(request, make_runner):  # noqa: F811
    """Every model in one way, recorded and unrecorded, the two in different nests."""
    conditions = {
        (model, record): replace(base_condition(), model=model)
        .with_settings(WAYS[request.param])
        .with_orders(record=record)
        for model in MODELS
        for record in (True, False)
        if not (model == "text" and request.param == "two threads")
    }  # that is the embedding race
    trials = {key: Trial(condition, int(key[1])) for key, condition in conditions.items()}
    asking = Asking(ask(list(trials.values())))
    make_runner().run([asking])
    return {key: asking.finding[trial] for key, trial in trials.items()}


@pytest.mark.parametrize("model", MODELS)
def test_a_recorded_training_ends_on_the_bits_of_an_unrecorded_one(trained, model):
    if (model, True) not in trained:
        pytest.skip("the embedding race: no two runs agree")
    recorded, unrecorded = trained[model, True], trained[model, False]
    assert recorded.outcome.completed and unrecorded.outcome.completed, (
        recorded.outcome,
        unrecorded.outcome,
    )
    assert recorded.trace.digests["final"] == unrecorded.trace.digests["final"]
    assert recorded.trace.digests["init"] == unrecorded.trace.digests["init"]
    assert recorded.trace.digests["final"] != recorded.trace.digests["init"]  # it has trained
    assert recorded.trace.observations() > unrecorded.trace.observations() > 0


@pytest.mark.parametrize("trained", ["compiled"], indirect=True)
@pytest.mark.parametrize("model", MODELS)
def test_every_stage_is_observed(trained, model):
    observed = {stage for table in trained[model, True].trace.tables for stage, _ in table.columns}
    assert observed == {"rng", "data", "init", "forward", "loss", "gradient", "update", "metric"}

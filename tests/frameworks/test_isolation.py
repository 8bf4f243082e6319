"""The shortcut hides nothing: fresh processes give the verdicts and, where pinned, the fingerprints
of forked ones.

A seeded sample; ``python -m tests.bench.nests --depth default --verdicts`` judges every source both
ways.
"""

import random
from dataclasses import replace

import pytest
from detaudit.core.condition import Trial
from detaudit.core.divergence import Match
from detaudit.core.experiment import Asking
from detaudit.core.tally import compare_finished
from detaudit.registry import base

from tests.frameworks.test_observer import ask
from tests.guilty.conftest import MODELS, base_condition, judge, make_runner  # noqa: F401  (a fixture)
from tests.slow import slow

pytestmark = pytest.mark.framework

SAMPLE = random.Random(7).sample(
    [
        name
        for name, one in base.known_sources("tensorflow").items()
        if one.quick and not name.startswith("third-party:")
    ],
    3,
)


@pytest.fixture(scope="module")
def both(make_runner):  # noqa: F811
    return make_runner(), make_runner(fork=False)


def test_pinned_trials_match_to_the_last_fingerprint(both):
    trials = [Trial(replace(base_condition(), model=model), 0) for model in MODELS]
    forked, isolated = (Asking(ask(trials)) for _ in both)
    for runner, asking in zip(both, (forked, isolated), strict=True):
        runner.run([asking])
    for trial in trials:
        same = compare_finished(forked.finding[trial], isolated.finding[trial])
        assert isinstance(same, Match), (trial.condition.model, same)
        assert same.observations > 50


@slow
def test_verdicts_match(both):
    sources = [base.known_sources()[name] for name in SAMPLE]
    forked, isolated = (judge(runner, sources) for runner in both)
    assert {name: (one.verdict, one.pin) for name, one in forked.items()} == {
        name: (one.verdict, one.pin) for name, one in isolated.items()
    }
    assert any(one.verdict == "needs-pin" for one in forked.values())

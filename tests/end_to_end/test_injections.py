"""A seeded sample of the injection study: sources, each planted into a clean script and audited.

The study itself is ``tests.bench.injections``. An audit takes minutes, so a few of those are taken
that took two at most there; ``--all`` takes more, and longer ones. The one that the study missed is
left out.
"""

import math
import random

import pytest

from tests.bench import corpus, injected, injections

pytestmark = pytest.mark.end_to_end

MOST_SECONDS = 120
SEED = 2
FEW, MANY = 3, 15  # of the study's; many with --all


def sample(count: int) -> list[injections.Injection]:
    """Some of the study's, each of another family."""
    known = {one.name: one for one in injections.injections()}
    longest = MOST_SECONDS if count == FEW else math.inf
    cheap = [
        one["injection"]
        for one in corpus.kept(injections.RESULTS)
        if one["seconds"] <= longest and one["right"]
    ]
    order = random.Random(SEED).sample(sorted(cheap), len(cheap))
    families = {known[name].family: known[name] for name in order}
    return list(families.values())[:count]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "planted" in metafunc.fixturenames:
        count = MANY if metafunc.config.getoption("--all") else FEW
        metafunc.parametrize("planted", sample(count), ids=lambda planted: planted.name)


def test_what_is_planted_is_named_and_nothing_else(planted):
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed here")
    done = injections.scored(planted)
    assert done["right"] and injected.found(done) and not injected.invented(done), injected.table(
        [done], [planted]
    )


def test_every_injection_of_the_sample_has_another_source():
    assert len({planted.family for planted in sample(MANY)}) == MANY

"""A seeded sample of the injection study: sources, each planted into a clean script and audited.

The study itself is ``tests.bench.injections``. An audit takes minutes, so the whole sample is slow.
The injection that the study missed is left out.
"""

import random

import pytest

from tests.bench import corpus, injected, injections
from tests.slow import slow

pytestmark = pytest.mark.end_to_end

SEED = 2
COUNT = 15


def sample() -> list[injections.Injection]:
    """Some of the study's, each of another family."""
    known = {one.name: one for one in injections.injections()}
    right = [one["injection"] for one in corpus.kept(injections.RESULTS) if one["right"]]
    order = random.Random(SEED).sample(sorted(right), len(right))
    families = {known[name].family: known[name] for name in order}
    return list(families.values())[:COUNT]


@slow
@pytest.mark.parametrize("planted", sample(), ids=lambda planted: planted.name)
def test_what_is_planted_is_named_and_nothing_else(planted):
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed here")
    done = injections.scored(planted)
    assert done["right"] and injected.found(done) and not injected.invented(done), injected.table(
        [done], [planted]
    )


def test_every_injection_of_the_sample_has_another_source():
    assert len({planted.family for planted in sample()}) == COUNT

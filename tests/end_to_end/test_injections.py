"""A seeded sample of the injection study, on the cheapest of its scripts: ``DETAUDIT_INJECTIONS=10`` runs all ten.

One audit takes minutes, so one alone is run where nothing is said. The study itself is ``tests.bench.injections``.
"""
import os

import pytest

from tests.bench import injected, injections

pytestmark = pytest.mark.end_to_end

#: Scripts whose run takes the fewest seconds.
CHEAPEST = ["clean/logging_thread:*", "clean/op_determinism_pkg:*", "frozen/stateless_loop_clean:*"]
RUN = int(os.environ.get("DETAUDIT_INJECTIONS", "1"))
SAMPLE = injections.choose(injections.injections(), CHEAPEST, "1/1", 10, 5)


def test_what_is_planted_is_named_and_nothing_else():
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed here")
    assert 0 < RUN <= len(SAMPLE), "DETAUDIT_INJECTIONS is a number from 1 to 10"
    done = [injections.scored(one) for one in SAMPLE[:RUN]]
    said = injected.table(done, SAMPLE)
    assert not any(map(injected.invented, done)), said
    assert sum(map(injected.found, done)) >= len(done) - len(done) // 5, said  # the study has the misses that are known

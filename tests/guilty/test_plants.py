"""A planted fault for every source: in every trial, it is broken; if unpinned, it needs the pin; by
setting, it varies.

Whatever a source does by itself on this machine, its experiment must be able to find a fault if
there is one.
"""

import pytest
from detaudit.commands.scan.experiments import compare, unpin
from detaudit.registry import base
from detaudit_probes.declare import Compare, Unpin

from tests.guilty.conftest import judge
from tests.slow import slow, slow_but_for

pytestmark = pytest.mark.guilty

SOURCES = base.known_sources("tensorflow")
LOOSENED = [name for name, one in SOURCES.items() if isinstance(one.experiment, Unpin)]
COMPARED = [name for name, one in SOURCES.items() if isinstance(one.experiment, Compare)]
#: Silent on a CPU by themselves, or not there: only a plant shows that their experiment would see a
#: fault.
SILENT = [name for name in LOOSENED if SOURCES[name].needs.gpus]
#: What is tried every day: a seed, a hash, an order, a race, a setting. The others are slow.
USUAL = ("python-random", "hash-seed", "tfdata-order", "sparse-update", "intra-op-threads")
USUAL_SETTINGS = ("intra-op-threads",)
PLENTY = 8  # GPUs that are pretended, so that the GPU's experiments are run too


@pytest.fixture(scope="module")
def planted(make_runner, pytestconfig):
    """The verdicts with a plant; one pair is enough, for a plant is no race."""
    done = {}
    everything = pytestconfig.getoption("--all")

    def plant(when, every, usual=(), **more):
        names = tuple(every) if everything or not usual else usual
        key = (when, *names)
        if key not in done:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(unpin, "RACE_PAIRS", 1)
                patch.setattr(compare, "RACE_PAIRS", 1)
                patch.setattr(unpin, "SIGNIFICANT", 1.1)
                runner = make_runner({"when": when, "available": True, **more})
                done[key] = judge(runner, [SOURCES[name] for name in names], PLENTY)
                runner.close()
        return done[key]

    return plant


@pytest.mark.parametrize("source", slow_but_for(USUAL, SOURCES))
def test_runs_that_differ_with_everything_pinned_are_broken(planted, source):
    observed = planted("always", SOURCES, USUAL)[source]
    if observed.verdict == "skipped":
        pytest.skip(observed.reason)
    assert observed.verdict == "broken", observed.reason


@pytest.mark.parametrize("source", slow_but_for(USUAL_SETTINGS, COMPARED))
def test_a_fault_that_follows_the_setting_varies(planted, source):
    observed = planted("setting", COMPARED, USUAL_SETTINGS)[source]
    if observed.verdict == "skipped":
        pytest.skip(observed.reason)
    assert observed.verdict == "varies", observed.reason
    compared = [groups for _, groups in observed.settings if sum(map(len, groups)) > 1]
    assert compared and all(len(groups) > 1 for groups in compared)


@slow
@pytest.mark.parametrize("source", SILENT or ["none"])
def test_a_fault_that_the_pin_holds_needs_the_pin(planted, source):
    if source == "none":
        pytest.skip("every unpinned source makes runs differ by itself: test_verdicts")
    observed = planted("unpinned", (source,), source=source)[source]
    assert observed.verdict == "needs-pin", observed.reason

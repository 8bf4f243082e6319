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

pytestmark = pytest.mark.guilty

SOURCES = base.known_sources("tensorflow")
LOOSENED = [name for name, one in SOURCES.items() if isinstance(one.experiment, Unpin)]
COMPARED = [name for name, one in SOURCES.items() if isinstance(one.experiment, Compare)]
#: Silent on a CPU by themselves, or not there: only a plant shows that their experiment would see a
#: fault.
SILENT = [name for name in LOOSENED if SOURCES[name].needs.gpus]
PLENTY = 8  # GPUs that are pretended, so that the GPU's experiments are run too


@pytest.fixture(scope="module")
def planted(make_runner):
    """The verdicts with a plant; one pair is enough, for a plant is no race."""
    done = {}

    def plant(when, names, **more):
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


@pytest.mark.parametrize("source", SOURCES)
def test_runs_that_differ_with_everything_pinned_are_broken(planted, source):
    observed = planted("always", tuple(SOURCES))[source]
    if observed.verdict == "skipped":
        pytest.skip(observed.reason)
    assert observed.verdict == "broken", observed.reason


@pytest.mark.parametrize("source", COMPARED)
def test_a_fault_that_follows_the_setting_varies(planted, source):
    observed = planted("setting", tuple(COMPARED))[source]
    if observed.verdict == "skipped":
        pytest.skip(observed.reason)
    assert observed.verdict == "varies", observed.reason
    compared = [groups for _, groups in observed.settings if sum(map(len, groups)) > 1]
    assert compared and all(len(groups) > 1 for groups in compared)


@pytest.mark.parametrize("source", SILENT or ["none"])
def test_a_fault_that_the_pin_holds_needs_the_pin(planted, source):
    if source == "none":
        pytest.skip("every source that is loosened parts runs by itself: test_verdicts")
    observed = planted("unpinned", (source,), source=source)[source]
    assert observed.verdict == "needs-pin", observed.reason

"""What the real sources show on a CPU, on the installed TensorFlow and Keras."""

import pytest
from detaudit.registry import base

from tests.guilty.conftest import judge
from tests.slow import slow, slow_but_for

pytestmark = pytest.mark.guilty

#: Sources that part two runs on any CPU: the stage of the first divergence, and the advised pin
#: that holds.
DIFFER = {
    "python-random": "init",
    "numpy-legacy": "data",
    "numpy-generator": "data",
    "tensorflow-seed": "data",
    "keras-seed": "forward",
    "os-entropy": "data",
    "clock": "data",
    "hash-seed": "data",
    "directory-order": "data",
    "tfdata-order": "data",
    "tfdata-random-map": "data",
    "tfdata-shuffle": "data",
    "loader-workers": "data",
    "weight-init": "init",
    "dropout": "forward",
    "embedding": "init",
    "batch-shuffle": "data",
    "augmentation": "forward",
    "sparse-update": "update",
}
#: Sources whose settings give different bits on any CPU, the same ones every time.
VARY = ("intra-op-threads", "onednn", "xla", "eager", "precision", "op-determinism", "resume")
NEEDS_MORE_INSTRUCTIONS = ("instruction-set",)
#: What is tried every day: a seed, a hash, an order, a setting. The others are slow.
USUAL = ("python-random", "hash-seed", "tfdata-order", "intra-op-threads")
NO_GPU = ("cpu-or-gpu", "cudnn", "tf32", "gpu-kernels", "gpu-to-gpu")


@pytest.fixture(scope="module")
def verdicts(make_runner, pytestconfig):
    known = base.known_sources("tensorflow")
    names = known if pytestconfig.getoption("--all") else (*USUAL, *NO_GPU)
    return judge(make_runner(), [known[name] for name in names])


@pytest.mark.parametrize("source", slow_but_for(USUAL[:3], DIFFER))
def test_a_source_that_makes_runs_differ_needs_its_pin(verdicts, source):
    observed = verdicts[source]
    assert observed.verdict == "needs-pin", observed.reason
    assert observed.divergence.stage == DIFFER[source]
    unpinned = [count for count in observed.counts if count.name == "unpinned"]
    pinned = [count for count in observed.counts if count.name == f"pinned by {observed.pin}"]
    assert sum(count.differing for count in unpinned) > 0
    assert sum(count.differing for count in pinned) == 0 < sum(count.matching for count in pinned)


@slow
@pytest.mark.parametrize("name", ["scikit-learn", "pandas", "scipy"])
def test_a_library_without_a_seed_has_a_verdict_of_its_own(verdicts, name):
    observed = verdicts[f"third-party:{name}"]
    if observed.verdict == "skipped":
        pytest.skip(observed.reason)
    assert (observed.verdict, observed.divergence.stage) == ("needs-pin", "data"), observed.reason


@pytest.mark.parametrize("source", slow_but_for(USUAL[3:], VARY))
def test_settings_that_disagree_vary(verdicts, source):
    observed = verdicts[source]
    assert observed.verdict == "varies", observed.reason
    assert any(len(groups) > 1 for _, groups in observed.settings)
    assert all(count.differing == 0 for count in observed.counts)


@slow
def test_a_lesser_instruction_set_gives_other_bits(verdicts):
    observed = verdicts["instruction-set"]
    if observed.verdict == "skipped":
        pytest.skip(observed.reason)
    assert observed.verdict == "varies", observed.reason


@pytest.mark.parametrize("source", NO_GPU)
def test_what_needs_a_gpu_is_skipped_with_the_reason(verdicts, source):
    assert verdicts[source].verdict == "skipped"
    assert "GPU" in verdicts[source].reason


def test_nothing_is_broken_and_nothing_undecided(verdicts):
    assert {
        name: one.reason for name, one in verdicts.items() if one.verdict in ("broken", "error")
    } == {}


def test_the_tables_above_miss_no_source():
    elsewhere = {
        "inter-op-threads",
        "load",
        "replicas",
        "second-fit",
        "batch-invariance",
    }  # whatever is true here
    known = {*DIFFER, *VARY, *NEEDS_MORE_INSTRUCTIONS, *NO_GPU, *elsewhere}
    sources = base.known_sources("tensorflow")
    assert {name for name in sources if not name.startswith("third-party:")} == known

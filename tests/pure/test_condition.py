"""Conditions and trials as values: what a pin adds, what unpinning removes, and what makes two
trials the same.
"""

from dataclasses import replace

import pytest
from detaudit.commands.scan.experiments import compare, unpin
from detaudit.core.condition import Condition, Trial, device_of, items, pair, pairs
from detaudit.registry import base
from detaudit_probes.declare import Needs, Pin, Source, Unpin
from detaudit_probes.protocol import Orders, Settings, own_setting
from hypothesis import given
from hypothesis import strategies as st

SEED = Pin("seed", ("seed", "shuffle"))
ONE_THREAD = Pin(
    "one-thread",
    ("threads", "race"),
    settings=Settings(intra_op_threads=1, inter_op_threads=1),
    environment={"OMP": "1"},
)
ONE_INTRA = Pin("one-intra", ("threads",), settings=Settings(intra_op_threads=1))
OP_DETERMINISM = Pin(
    "op-determinism", ("race",), settings=own_setting("race", True), environment={"TF_DET": "1"}
)
HASH = Pin("hash", ("hash",), environment={"PYTHONHASHSEED": "0"})
KNOWN = {pin.id: pin for pin in (SEED, ONE_THREAD, ONE_INTRA, OP_DETERMINISM, HASH)}
PLAIN = Condition("tensorflow", "cpu", "mlp", 1).with_settings(Settings(jit_compile=False))


def pinned(*names: str) -> Condition:
    condition = PLAIN
    for name in names:
        condition = condition.with_pin(KNOWN[name])
    return condition


def test_a_pin_brings_its_settings_and_variables():
    condition = pinned("one-thread")
    assert condition.pins == ("one-thread",)
    assert condition.settings == Settings(jit_compile=False, intra_op_threads=1, inter_op_threads=1)
    assert dict(condition.environment) == {"OMP": "1"}


def test_a_pin_wins_over_what_is_there():
    condition = PLAIN.with_settings(Settings(intra_op_threads=8))
    condition = condition.with_environment({"OMP": "8"}).with_pin(ONE_THREAD)
    assert condition.settings.intra_op_threads == 1
    assert dict(condition.environment)["OMP"] == "1"


def test_a_pin_is_applied_once_and_the_order_is_kept():
    assert pinned("seed", "one-thread", "seed").pins == ("seed", "one-thread")


def test_conditions_are_values():
    before = pinned("seed")
    before.with_pin(ONE_THREAD)
    before.without(["seed"], KNOWN)
    assert before == pinned("seed") and hash(before) == hash(pinned("seed"))
    one, other = own_setting("a", 1), own_setting("b", 2)
    both = [
        pinned("hash").with_settings(one).with_settings(other),
        pinned("hash").with_settings(other).with_settings(one),
    ]
    assert both[0] == both[1] and both[0].options == {"a": 1, "b": 2, "jit_compile": False}


def test_unpinning_a_source_removes_every_pin_of_it():
    unpinned = pinned("seed", "one-thread", "op-determinism", "hash").without(["race"], KNOWN)
    assert unpinned.pins == ("seed", "hash")
    assert unpinned.settings == Settings(jit_compile=False)
    variables = dict(unpinned.environment)
    assert variables["PYTHONHASHSEED"] == "0"
    assert variables["OMP"] is None and variables["TF_DET"] is None


def test_a_pin_that_stays_keeps_what_it_shares_with_one_that_goes():
    """one-intra stays when race is unpinned: its option must not go with that of one-thread, or it
    pins nothing.
    """
    for order in (("one-thread", "one-intra"), ("one-intra", "one-thread")):
        unpinned = pinned(*order).without(["race"], KNOWN)
        assert unpinned.pins == ("one-intra",)
        assert unpinned.settings == Settings(jit_compile=False, intra_op_threads=1)


def test_a_variable_that_two_pins_set_stays_with_the_one_that_stays():
    other = Pin("other", ("other",), environment={"OMP": "1"})
    known = {**KNOWN, "other": other}
    unpinned = pinned("one-thread").with_pin(other).without(["race"], known)
    assert dict(unpinned.environment) == {"OMP": "1"}


def test_what_was_set_over_a_pin_that_stays_is_left():
    condition = (
        pinned("one-intra", "hash", "op-determinism")
        .with_settings(Settings(intra_op_threads=4))
        .with_environment({"PYTHONHASHSEED": "random"})
    )
    unpinned = condition.without(["race"], KNOWN)
    assert unpinned.settings == Settings(jit_compile=False, intra_op_threads=4)
    assert dict(unpinned.environment) == {"PYTHONHASHSEED": "random", "TF_DET": None}


def test_unpinning_what_no_pin_pins_changes_nothing():
    assert pinned("seed", "one-thread").without(["hash"], KNOWN) == pinned("seed", "one-thread")


@given(
    st.lists(st.sampled_from(sorted(KNOWN)), unique=True),
    st.sets(st.sampled_from(["shuffle", "race", "hash"])),
)
def test_after_unpinning_no_pin_is_of_an_unpinned_source_and_all_others_are_left(names, sources):
    unpinned = pinned(*names).without(sources, KNOWN)
    assert [name for name in names if not sources & set(KNOWN[name].sources)] == list(unpinned.pins)
    for name in unpinned.pins:
        assert KNOWN[name].settings.over(unpinned.settings) == unpinned.settings
        assert KNOWN[name].environment.items() <= dict(unpinned.environment).items()


def test_pinning_again_what_was_unpinned_gives_the_settings_back():
    unpinned = pinned("seed", "one-thread").without(["race"], KNOWN)
    again = unpinned.with_pin(ONE_THREAD)
    assert (again.options, again.environment) == (
        pinned("seed", "one-thread").options,
        pinned("seed", "one-thread").environment,
    )


# --- trials


def test_a_draw_is_filled_into_the_variables_and_is_never_zero():
    condition = PLAIN.with_environment({"PYTHONHASHSEED": "{draw}", "GONE": None})
    assert Trial(condition, 0).environment() == {"PYTHONHASHSEED": "1", "GONE": None}
    assert Trial(condition, 6).environment()["PYTHONHASHSEED"] == "7"


def test_a_users_own_value_may_hold_braces():
    condition = PLAIN.with_environment({"FLAGS": '{"a": {}} {0} {'})
    assert Trial(condition, 3).environment() == {"FLAGS": '{"a": {}} {0} {'}


def test_equal_trials_have_equal_keys_and_any_difference_gives_another():
    trial = Trial(pinned("seed"), 0)
    assert trial.key() == Trial(pinned("seed"), 0).key()
    others = [Trial(pinned("seed"), 1), Trial(pinned("hash"), 0), Trial(PLAIN, 0)]
    for change in (
        {"backend": "jax"},
        {"device": "gpu"},
        {"model": "cnn"},
        {"seed": 2},
        {"unpinned": ("seed",)},
        {"settings": Settings(jit_compile=True)},
        {"orders": Orders(record=False)},
        {"environment": items({"A": "1"})},
        {"feed": "x"},
        {"procedure": "x"},
    ):
        others.append(Trial(replace(pinned("seed"), **change), 0))
    assert len({trial.key(), *(other.key() for other in others)}) == 1 + len(others)


def test_the_order_of_pins_is_part_of_a_trial():
    """A later seed wins over an earlier, wider one."""
    assert Trial(pinned("seed", "hash"), 0).key() != Trial(pinned("hash", "seed"), 0).key()


@pytest.mark.parametrize("number", [0, 1, 7])
def test_a_pair_has_one_trial_in_each_nest(number):
    left, right = pair(PLAIN, number)
    assert (left.side, right.side) == (0, 1) and left.condition == right.condition == PLAIN
    assert (left.draw, right.draw) == (
        2 * number,
        2 * number + 1,
    )  # never below 0, so that {draw} is never 0


@given(st.integers(0, 20), st.integers(0, 20))
def test_pairs_are_disjoint_and_go_on_where_others_ended(count, first):
    some = pairs(PLAIN, count, first)
    trials = [trial for one in some for trial in one]
    assert len(some) == count and len(set(trials)) == 2 * count
    assert not set(trials) & {trial for one in pairs(PLAIN, 5, first + count) for trial in one}
    assert pairs(PLAIN, count + 3)[:count] == pairs(PLAIN, count)
    assert pairs(PLAIN, 1) == [pair(PLAIN, 0)]


def flags(condition: Condition) -> str | None:
    return dict(condition.environment).get("XLA_FLAGS")


def test_a_pin_adds_its_flags_to_those_that_are_set_and_takes_only_its_own_away():
    known = base.known_pins("jax")
    both = PLAIN.with_pin(known["xla-deterministic"]).with_environment(
        {"XLA_FLAGS": "--xla_cpu_max_isa=AVX2"}
    )
    assert flags(both) == "--xla_gpu_deterministic_ops=true --xla_cpu_max_isa=AVX2"
    assert flags(both.with_environment({"XLA_FLAGS": "--xla_cpu_max_isa=SSE4_2"})) == (
        "--xla_gpu_deterministic_ops=true --xla_cpu_max_isa=SSE4_2"
    )
    assert flags(both.without(["gpu-kernels"], known)) == "--xla_cpu_max_isa=AVX2"
    assert flags(PLAIN.with_pin(known["xla-deterministic"]).without(["gpu-kernels"], known)) is None
    other = {"PYTHONHASHSEED": "1"}
    assert dict(
        PLAIN.with_environment(other).with_environment({"PYTHONHASHSEED": "2"}).environment
    ) == {"PYTHONHASHSEED": "2"}  # any other variable has one value


@pytest.mark.parametrize(
    ("backend", "pin"),
    [("tensorflow", "op-determinism"), ("torch", "op-determinism"), ("jax", "xla-deterministic")],
)
def test_on_a_gpu_the_base_pins_its_kernels_and_their_source_unpins_them(backend, pin):
    known = base.known_pins(backend)
    on_gpu = base.base_condition(backend, "gpu", 1, on_gpu=True)
    assert pin in on_gpu.pins and pin not in base.base_condition(backend, "gpu", 1).pins
    source = base.known_sources(backend)["gpu-kernels"]
    arms = unpin.arms(source, "mlp", on_gpu, known)
    assert pin not in arms.unpinned.pins
    assert [(name, pin in condition.pins) for name, condition in arms.pinned] == [(pin, True)]


@pytest.mark.parametrize("backend", ["tensorflow", "torch"])
def test_a_setting_without_op_determinism_is_without_it_on_a_gpu_too(backend):
    known, on_gpu = base.known_pins(backend), base.base_condition(backend, "gpu", 1, on_gpu=True)
    cudnn = "cudnn" if backend == "tensorflow" else "torch-cudnn"
    for source in (base.known_sources(backend)[name] for name in ("op-determinism", cudnn)):
        for setting in source.experiment.settings:
            condition = compare.condition_of(source, setting, "cnn", on_gpu, known)
            assert ("op-determinism" in condition.pins) == ("op-determinism" in setting.pins), (
                setting.name
            )


@pytest.mark.parametrize(("gpus", "device"), [(0, "cpu"), (1, "gpu"), (2, "gpu")])
def test_a_source_is_tried_on_a_gpu_where_it_needs_one(gpus, device):
    assert device_of(Source("s", "gpu", "", "", Unpin(()), needs=Needs(gpus=gpus)), PLAIN) == device

"""Every verdict that experiments can reach, driven through their generators with traces made by
hand.
"""

from dataclasses import replace

import pytest
from detaudit.commands.scan.experiments.compare import compare
from detaudit.commands.scan.experiments.control import control
from detaudit.commands.scan.experiments.unpin import MOST_PAIRS, RACE_PAIRS, arms, unpin
from detaudit.core.condition import Condition, Trial, pairs
from detaudit.core.counting import excluded_rate, pairs_needed
from detaudit.core.outcome import CRASHED, FAILED, TIMED_OUT, UNAVAILABLE, Outcome
from detaudit.core.tally import tally
from detaudit.core.verdict import BROKEN, ERROR, NEEDS_PIN, REPRODUCIBLE, SKIPPED, VARIES
from detaudit_probes.declare import Compare, Needs, Pin, Setting, Source, Unpin
from detaudit_probes.protocol import NO_SETTINGS, Settings, own_setting

from tests.pure.handmade import FACTS, Bench

NARROW = Pin("narrow", ("leak",), settings=own_setting("leak", True))
WIDE = Pin("wide", ("leak", "other"), environment={"WIDE": "1"})
OTHER = Pin("other", ("other",))
KNOWN = {pin.id: pin for pin in (NARROW, WIDE, OTHER)}
BASE = Condition("tensorflow", "cpu", "mlp", 1).with_pin(OTHER).with_pin(NARROW).with_pin(WIDE)
CRASH = Outcome(CRASHED, "died from SIGSEGV after 2 steps")
ABSENT = Outcome(UNAVAILABLE, "no GPU here")


def leak(own: tuple[Pin, ...] = (NARROW,), **plan) -> Source:
    return Source("leak", "generators", "", "", Unpin(**{"models": ("mlp",), **plan}), pins=own)


def knob(*settings: Setting, pins: tuple[Pin, ...] = (), **plan) -> Source:
    chosen = settings or tuple(
        Setting(name, settings=own_setting("knob", name)) for name in ("one", "two", "three")
    )
    return Source(
        "knob",
        "parallel arithmetic",
        "",
        "",
        Compare(**{"models": ("mlp",), "settings": chosen, **plan}),
        pins=pins,
    )


def pinned(trial: Trial) -> bool:
    return bool({"narrow", "wide"} & set(trial.condition.pins))


def value(trial: Trial) -> str:
    """The setting under which a trial runs."""
    return dict(trial.condition.settings.own)["knob"]


def number(trial: Trial) -> int:
    """The number of the trial's pair."""
    return trial.draw // 2


@pytest.fixture
def bench(fresh_folder):
    def make(behave, evidence=True, **how) -> Bench:
        return Bench(fresh_folder, behave, {"leak": 1, "knob": 1} if evidence else {}, **how)

    return make


# --- unpinned against pinned


def test_unpinned_runs_differ_and_pinned_runs_match(bench):
    lab = bench(lambda trial: 0 if pinned(trial) else trial.draw)
    found = lab.drive(unpin(leak(), BASE, KNOWN, 2))
    assert (found.verdict, found.pin, found.source) == (NEEDS_PIN, "narrow", "leak")
    assert found.reason == "2 of 2 unpinned pairs of mlp differ; with the pin, 0 of 2"
    assert (found.divergence.stage, found.divergence.step, found.divergence.name) == (
        "loss",
        0,
        "loss",
    )
    assert [(one.name, one.matching, one.differing) for one in found.counts] == [
        ("unpinned", 0, 2),
        ("pinned by narrow", 2, 0),
    ]
    assert len(found.trials) == 8 and found.excluded_rate is None


def test_unpinned_runs_that_match_are_reported_with_what_that_excludes(bench):
    found = bench(lambda trial: 0).drive(unpin(leak(), BASE, KNOWN, 5))
    assert (found.verdict, found.divergence, found.pin) == (REPRODUCIBLE, None, None)
    assert found.excluded_rate == excluded_rate(5)
    assert (
        "no difference in 5 pairs" in found.reason
        and "45%" in found.reason
        and "safe" not in found.reason
    )


def test_the_generators_own_states_are_no_difference(bench):
    """A trace of the bench records its draw as the state of a generator: only its effect on the
    training is judged.
    """
    lab = bench(lambda trial: 0)
    assert lab.drive(unpin(leak(), BASE, KNOWN, 1)).verdict == REPRODUCIBLE
    drawn = next(iter(lab.answered.values())).trace
    assert ("rng", "state") in drawn.tables[0].columns


@pytest.mark.parametrize("evidence", [{}, {"leak": 0}, {"another": 5}])
def test_a_source_that_was_not_exercised_is_skipped_not_passed(bench, evidence):
    lab = bench(lambda trial: 0)
    lab.evidence = evidence
    found = lab.drive(unpin(leak(), BASE, KNOWN, 2))
    assert (
        found.verdict == SKIPPED and "not exercised" in found.reason and found.excluded_rate is None
    )


def test_pairs_of_a_model_that_did_not_exercise_the_source_do_not_count(bench, fresh_folder):
    class Partly(Bench):
        def _run(self, trial: Trial, number: int):
            self.evidence = {"leak": int(trial.condition.model == "cnn")}
            return super()._run(trial, number)

    found = Partly(fresh_folder, lambda trial: 0).drive(
        unpin(leak(models=("mlp", "cnn")), BASE, KNOWN, 3)
    )
    assert found.verdict == REPRODUCIBLE and found.excluded_rate == excluded_rate(3)
    assert "3 pairs" in found.reason


def test_pinned_runs_that_differ_too_are_broken(bench):
    found = bench(lambda trial: trial.draw).drive(unpin(leak(), BASE, KNOWN, 2))
    assert (
        found.verdict == BROKEN and "2 of 2 with narrow pinned" in found.reason and found.divergence
    )


def test_pinned_runs_that_differ_while_unpinned_runs_match_are_broken(bench):
    found = bench(lambda trial: trial.draw if pinned(trial) else 0).drive(
        unpin(leak(), BASE, KNOWN, 2)
    )
    assert found.verdict == BROKEN and "with narrow pinned" in found.reason and found.divergence


def test_broken_wins_over_a_crash(bench):
    lab = bench(lambda trial: CRASH if number(trial) == 1 else trial.draw if pinned(trial) else 0)
    assert lab.drive(unpin(leak(), BASE, KNOWN, 2)).verdict == BROKEN


@pytest.mark.parametrize(
    "outcome", [CRASH, Outcome(FAILED, "ValueError: no"), Outcome(TIMED_OUT, "after 3 s")]
)
@pytest.mark.parametrize("side", [0, 1])
def test_a_trial_that_did_not_complete_is_no_match(bench, outcome, side):
    found = bench(lambda trial: outcome if trial.side == side else 0).drive(
        unpin(leak(), BASE, KNOWN, 2)
    )
    assert (
        found.verdict == ERROR and outcome.reason in found.reason and outcome.kind in found.reason
    )


def test_unpinned_runs_that_differ_blame_nothing_where_the_pinned_ones_crash(bench):
    found = bench(lambda trial: CRASH if pinned(trial) else trial.draw).drive(
        unpin(leak(), BASE, KNOWN, 2)
    )
    assert (
        (found.verdict, found.pin) == (ERROR, None)
        and "SIGSEGV" in found.reason
        and "2 of 2" in found.reason
    )


def test_unpinned_runs_that_differ_blame_nothing_where_the_pin_cannot_be_tried(bench):
    found = bench(lambda trial: ABSENT if pinned(trial) else trial.draw).drive(
        unpin(leak(), BASE, KNOWN, 2)
    )
    assert (found.verdict, found.pin) == (ERROR, None) and "no GPU here" in found.reason


def test_a_pin_with_one_crash_beside_a_match_is_not_shown_to_hold(bench):
    lab = bench(lambda trial: (CRASH if number(trial) else 0) if pinned(trial) else trial.draw)
    assert lab.drive(unpin(leak(), BASE, KNOWN, 2)).verdict == ERROR


def test_what_is_unavailable_is_skipped_with_its_reason(bench):
    found = bench(lambda trial: ABSENT).drive(unpin(leak(), BASE, KNOWN, 2))
    assert (found.verdict, found.reason) == (SKIPPED, "no GPU here")


def test_what_was_observed_on_one_model_counts_though_another_is_unavailable(bench):
    lab = bench(
        lambda trial: (
            ABSENT if trial.condition.model == "cnn" else 0 if pinned(trial) else trial.draw
        )
    )
    assert lab.drive(unpin(leak(models=("cnn", "mlp")), BASE, KNOWN, 2)).verdict == NEEDS_PIN


def test_traces_that_recorded_nothing_are_no_match(bench):
    found = bench(lambda trial: None).drive(unpin(leak(), BASE, KNOWN, 2))
    assert found.verdict == ERROR and "nothing was observed" in found.reason


def test_traces_from_other_environments_are_not_compared(bench):
    found = bench(lambda trial: 0, facts=lambda trial: {**FACTS, "cpus": trial.side}).drive(
        unpin(leak(), BASE, KNOWN, 2)
    )
    assert found.verdict == ERROR and "cpus" in found.reason


def test_no_pairs_at_all_are_no_verdict_of_match(bench):
    assert bench(lambda trial: 0).drive(unpin(leak(), BASE, KNOWN, 0)).verdict == SKIPPED
    assert bench(lambda trial: 0).drive(unpin(leak(models=()), BASE, KNOWN, 2)).verdict == SKIPPED


def test_the_pin_that_works_is_named_though_the_first_tried_does_not(bench):
    lab = bench(lambda trial: 0 if "wide" in trial.condition.pins else trial.draw)
    found = lab.drive(unpin(leak((NARROW, WIDE)), BASE, KNOWN, 2))
    assert (found.verdict, found.pin, found.other_pins) == (NEEDS_PIN, "wide", ())


def test_every_pin_that_works_is_named_the_advised_one_first(bench):
    found = bench(lambda trial: 0 if pinned(trial) else trial.draw).drive(
        unpin(leak(pins=("wide", "narrow")), BASE, KNOWN, 2)
    )
    assert (found.pin, found.other_pins) == ("wide", ("narrow",))


def test_a_pin_that_fails_on_another_model_does_not_hold(bench):
    def behave(trial):
        return (
            0
            if pinned(trial) and (trial.condition.model == "mlp" or "wide" in trial.condition.pins)
            else trial.draw
        )

    source = leak((NARROW, WIDE), models=("mlp", "cnn"))
    found = bench(behave).drive(unpin(source, BASE, KNOWN, 2))
    assert (found.verdict, found.pin, found.other_pins) == (NEEDS_PIN, "wide", ())
    found = bench(behave).drive(unpin(leak(models=("mlp", "cnn")), BASE, KNOWN, 2))
    assert found.verdict == BROKEN and "cnn" in found.reason


def test_pins_of_which_none_works_on_every_model_are_not_decided(bench):
    works = {"mlp": "narrow", "cnn": "wide"}
    lab = bench(
        lambda trial: 0 if works[trial.condition.model] in trial.condition.pins else trial.draw
    )
    found = lab.drive(unpin(leak((NARROW, WIDE), models=("mlp", "cnn")), BASE, KNOWN, 2))
    assert (found.verdict, found.pin) == (
        ERROR,
        None,
    ) and "no single pin works on every model" in found.reason


def test_a_source_that_differs_and_has_no_pin_is_not_decided(bench):
    found = bench(lambda trial: trial.draw).drive(unpin(leak(own=()), BASE, KNOWN, 2))
    assert (found.verdict, found.pin) == (ERROR, None)
    assert found.reason == "2 of 2 unpinned pairs of mlp differ, and no known pin could be tried"


def test_the_model_named_is_the_one_that_differs(bench):
    lab = bench(
        lambda trial: (
            trial.draw if trial.condition.model == "source:own" and not pinned(trial) else 0
        )
    )
    found = lab.drive(unpin(leak(models=("mlp", "source:own")), BASE, KNOWN, 2))
    assert found.verdict == NEEDS_PIN and "pairs of own differ" in found.reason


# --- races


def differ_in(*numbers: int):
    """Unpinned pairs of these numbers differ, pinned ones never."""
    return lambda trial: trial.draw if not pinned(trial) and number(trial) in numbers else 0


def test_a_race_gets_five_pairs_a_side_at_least(bench):
    lab = bench(differ_in(*range(MOST_PAIRS)))
    found = lab.drive(unpin(leak(race=True), BASE, KNOWN, 1))
    assert found.verdict == NEEDS_PIN and [len(one) for one in lab.asked] == [4 * RACE_PAIRS]


def test_a_race_that_differs_four_times_of_five_is_shown(bench):
    lab = bench(differ_in(0, 1, 2, 4))
    assert (
        lab.drive(unpin(leak(race=True), BASE, KNOWN, 5)).verdict == NEEDS_PIN
        and len(lab.asked) == 1
    )


def test_a_race_that_differs_rarely_gets_more_pairs_until_it_is_shown(bench):
    lab = bench(differ_in(1, 6, 7, 9, 11, 12, 13))
    found = lab.drive(unpin(leak(race=True), BASE, KNOWN, 5))
    assert found.verdict == NEEDS_PIN and len(lab.asked) > 1
    assert found.counts[0].pairs == found.counts[1].pairs == pairs_needed(1 / RACE_PAIRS) == 14


def test_a_race_that_differs_too_rarely_is_inconclusive_with_its_counts(bench):
    lab = bench(differ_in(2))
    found = lab.drive(unpin(leak(race=True), BASE, KNOWN, 5))
    assert (found.verdict, found.pin) == (ERROR, None) and found.reason.startswith(
        "inconclusive: 1 of 20 unpinned pairs"
    )
    assert (found.counts[0].differing, found.counts[0].pairs, found.counts[1].differing) == (
        1,
        MOST_PAIRS,
        0,
    )
    assert found.divergence is not None


def test_a_race_is_shown_by_the_model_on_which_it_parts_often(bench):
    def behave(trial):
        often = trial.condition.model == "cnn" or number(trial) == 0
        return trial.draw if often and not pinned(trial) else 0

    found = bench(behave).drive(unpin(leak(race=True, models=("mlp", "cnn")), BASE, KNOWN, 5))
    assert found.verdict == NEEDS_PIN and "pairs of cnn differ" in found.reason


def test_a_race_that_never_differs_is_reproducible_with_what_five_pairs_exclude(bench):
    lab = bench(differ_in())
    found = lab.drive(unpin(leak(race=True), BASE, KNOWN, 1))
    assert (found.verdict, found.excluded_rate, len(lab.asked)) == (
        REPRODUCIBLE,
        excluded_rate(RACE_PAIRS),
        1,
    )


def test_a_race_whose_pin_differs_once_is_broken(bench):
    lab = bench(lambda trial: trial.draw if not pinned(trial) or number(trial) == 3 else 0)
    assert lab.drive(unpin(leak(race=True), BASE, KNOWN, 5)).verdict == BROKEN
    assert len(lab.asked) == 1  # no number of pairs can show that this pin works


def test_a_race_of_which_one_pin_differs_and_another_may_work_is_not_broken(bench):
    lab = bench(
        lambda trial: trial.draw if "narrow" in trial.condition.pins and number(trial) == 2 else 0
    )
    found = lab.drive(unpin(leak(race=True, pins=("narrow", "wide")), BASE, KNOWN, 1))
    assert (
        found.verdict == ERROR
        and found.reason.startswith("inconclusive")
        and "with narrow pinned, 1 of 5 pairs differs" in found.reason
    )


def test_a_race_whose_pinned_pairs_crash_is_not_shown(bench):
    lab = bench(
        lambda trial: trial.draw if not pinned(trial) else CRASH if number(trial) == 0 else 0
    )
    found = lab.drive(unpin(leak(race=True), BASE, KNOWN, 5))
    assert (
        (found.verdict, found.pin) == (ERROR, None)
        and "SIGSEGV" in found.reason
        and len(lab.asked) == 1
    )


def test_more_pairs_never_repeat_those_that_were_run(bench):
    lab = bench(differ_in(2))
    lab.drive(unpin(leak(race=True), BASE, KNOWN, 5))
    for earlier, later in zip(lab.asked, lab.asked[1:], strict=False):
        assert set(earlier) < set(later)


# --- the conditions of the experiment


def test_unpinned_and_pinned_differ_by_the_pin_alone():
    source = leak(
        (NARROW, WIDE),
        settings=Settings(intra_op_threads=4),
        environment={"ORDER": "{draw}"},
        feed=True,
    )
    tried = arms(source, "cnn", BASE, KNOWN)
    assert tried.unpinned.pins == ("other",) and tried.unpinned.unpinned == ("leak",)
    assert (tried.unpinned.model, tried.unpinned.feed, tried.unpinned.procedure) == (
        "cnn",
        "leak",
        None,
    )
    assert (
        tried.unpinned.settings == Settings(intra_op_threads=4)
        and dict(tried.unpinned.environment)["ORDER"] == "{draw}"
    )
    for name, condition in tried.pinned:
        assert condition == tried.unpinned.with_pin(KNOWN[name])
    assert dict(tried.pinned)["narrow"].pins == ("other", "narrow")


def test_a_source_may_unpin_others_and_bring_its_own_procedure():
    tried = arms(leak(unpins=("other",), procedure=True), "mlp", BASE, KNOWN)
    assert (
        tried.unpinned.unpinned == ("other",)
        and tried.unpinned.pins == ("narrow",)
        and tried.unpinned.procedure == "leak"
    )


def test_a_source_that_needs_a_gpu_is_tried_on_it():
    for source, device in ((leak()._replace(needs=Needs(gpus=1)), "gpu"), (leak(), "cpu")):
        assert arms(source, "mlp", BASE, KNOWN).unpinned.device == device


# --- settings


def test_settings_that_match(bench):
    found = bench(lambda trial: 0).drive(compare(knob(), BASE, KNOWN, 2))
    assert (found.verdict, found.divergence, found.excluded_rate) == (
        REPRODUCIBLE,
        None,
        excluded_rate(2),
    )
    assert found.settings == (("mlp", (("one", "two", "three"),)),)
    assert "2 pairs" in found.reason and "safe" not in found.reason


def test_settings_that_disagree_are_reported_which_with_which(bench):
    found = bench(lambda trial: {"one": 1, "two": 2, "three": 1}[value(trial)]).drive(
        compare(knob(), BASE, KNOWN, 2)
    )
    assert found.verdict == VARIES and found.divergence.name == "loss"
    assert found.settings == (("mlp", (("one", "three"), ("two",))),)
    assert "one = three / two" in found.reason


def test_models_on_which_settings_match_are_not_accused(bench):
    lab = bench(lambda trial: value(trial) if trial.condition.model == "cnn" else 0)
    found = lab.drive(compare(knob(models=("mlp", "cnn", "lstm")), BASE, KNOWN, 2))
    assert found.verdict == VARIES and "settings differ on cnn" in found.reason
    assert [len(groups) for _, groups in found.settings] == [1, 3, 1]


def test_a_setting_that_does_not_repeat_itself_needs_one_that_does(bench):
    lab = bench(lambda trial: trial.draw if value(trial) == "two" else 0)
    pin = Pin("first", ("knob",), settings=own_setting("knob", "one"))
    found = lab.drive(compare(knob(pins=(pin,)), BASE, KNOWN, 2))
    assert (found.verdict, found.pin) == (
        NEEDS_PIN,
        "first",
    ) and "pairs differ on mlp (two 2 of 2)" in found.reason
    assert found.divergence is not None


def test_the_pin_of_the_setting_that_repeats_itself_is_named(bench):
    settings = (
        Setting("off", settings=own_setting("knob", "off")),
        Setting("on", settings=own_setting("knob", "on"), pins=("wide",)),
    )
    lab = bench(lambda trial: trial.draw if value(trial) == "off" else 0)
    assert lab.drive(compare(knob(*settings, pins=(NARROW,)), BASE, KNOWN, 2)).pin == "wide"


@pytest.mark.parametrize(
    "given", [own_setting("knob", "two"), own_setting("knob", "four"), NO_SETTINGS]
)
def test_a_pin_that_no_steady_setting_tried_is_not_named(bench, given):
    lab = bench(lambda trial: trial.draw if value(trial) == "two" else 0)
    found = lab.drive(
        compare(knob(pins=(Pin("untried", ("knob",), settings=given),)), BASE, KNOWN, 2)
    )
    assert (found.verdict, found.pin) == (NEEDS_PIN, None)


def test_no_setting_that_repeats_itself_is_broken(bench):
    found = bench(lambda trial: trial.draw).drive(compare(knob(), BASE, KNOWN, 2))
    assert found.verdict == BROKEN and found.divergence is not None


def test_broken_on_one_model_is_broken(bench):
    lab = bench(
        lambda trial: trial.draw if trial.condition.model == "cnn" or value(trial) == "two" else 0
    )
    found = lab.drive(compare(knob(models=("mlp", "cnn")), BASE, KNOWN, 2))
    assert found.verdict == BROKEN and "cnn" in found.reason


@pytest.mark.parametrize("outcome", [CRASH, ABSENT])
def test_one_that_differs_beside_others_that_could_not_be_run_is_not_decided(bench, outcome):
    found = bench(lambda trial: trial.draw if value(trial) == "two" else outcome).drive(
        compare(knob(), BASE, KNOWN, 2)
    )
    assert (found.verdict, found.pin) == (ERROR, None) and outcome.reason in found.reason


def test_settings_as_a_race_with_too_few_partings_are_inconclusive(bench):
    lab = bench(lambda trial: trial.draw if value(trial) == "two" and number(trial) == 0 else 0)
    found = lab.drive(compare(knob(race=True), BASE, KNOWN, 1))
    assert (found.verdict, found.pin) == (ERROR, None) and found.reason.startswith("inconclusive")
    assert found.counts[1].pairs == RACE_PAIRS and "1 of 5" in found.reason


def test_settings_as_a_race_with_enough_partings_need_a_pin(bench):
    lab = bench(lambda trial: trial.draw if value(trial) == "two" else 0)
    assert lab.drive(compare(knob(race=True), BASE, KNOWN, 1)).verdict == NEEDS_PIN


@pytest.mark.parametrize("outcome", [CRASH, Outcome(FAILED, "ValueError: no")])
def test_a_setting_that_crashes_is_no_match(bench, outcome):
    found = bench(lambda trial: outcome if value(trial) == "two" else 0).drive(
        compare(knob(), BASE, KNOWN, 2)
    )
    assert found.verdict == ERROR and outcome.reason in found.reason


def test_a_crash_does_not_hide_that_others_disagree(bench):
    lab = bench(lambda trial: CRASH if value(trial) == "two" else value(trial))
    found = lab.drive(compare(knob(), BASE, KNOWN, 2))
    assert found.verdict == VARIES and "not tried" in found.reason and "SIGSEGV" in found.reason


def test_settings_that_are_unavailable_are_skipped(bench):
    found = bench(lambda trial: ABSENT if value(trial) != "one" else 0).drive(
        compare(knob(), BASE, KNOWN, 2)
    )
    assert (found.verdict, found.reason) == (SKIPPED, "no GPU here")


def test_a_crash_is_reported_before_what_is_unavailable(bench):
    lab = bench(lambda trial: {"one": 0, "two": CRASH, "three": ABSENT}[value(trial)])
    found = lab.drive(compare(knob(), BASE, KNOWN, 2))
    assert found.verdict == ERROR and "SIGSEGV" in found.reason
    lab = bench(lambda trial: CRASH if trial.condition.model == "cnn" else ABSENT)
    assert lab.drive(unpin(leak(models=("mlp", "cnn")), BASE, KNOWN, 2)).verdict == ERROR


@pytest.mark.parametrize("others", [0, "differ"])
def test_a_setting_that_was_not_tried_is_reported(bench, others):
    lab = bench(lambda trial: ABSENT if value(trial) == "three" else value(trial) if others else 0)
    found = lab.drive(compare(knob(), BASE, KNOWN, 2))
    assert (
        found.verdict == (VARIES if others else REPRODUCIBLE)
        and "not tried: no GPU here" in found.reason
    )


@pytest.mark.parametrize("evidence", [{}, {"knob": 0}])
def test_settings_that_were_not_exercised_are_skipped(bench, evidence):
    lab = bench(lambda trial: 0)
    lab.evidence = evidence
    found = lab.drive(compare(knob(), BASE, KNOWN, 2))
    assert found.verdict == SKIPPED and "not exercised" in found.reason


def test_what_could_not_be_tried_is_reported_where_the_rest_was_not_exercised(bench):
    """A compiler that is missing: the settings without it match, and none of them is what the
    source is about.
    """
    lab = bench(lambda trial: ABSENT if value(trial) == "three" else 0)
    lab.evidence = {"knob": 0}
    found = lab.drive(compare(knob(), BASE, KNOWN, 2))
    assert found.verdict == SKIPPED and found.reason.endswith("not tried: no GPU here")


def test_empty_traces_of_settings_are_no_match(bench):
    found = bench(lambda trial: None).drive(compare(knob(), BASE, KNOWN, 2))
    assert found.verdict == ERROR and "nothing was observed" in found.reason


def test_one_setting_alone_says_nothing(bench):
    found = bench(lambda trial: 0).drive(
        compare(knob(Setting("one", settings=own_setting("knob", "one"))), BASE, KNOWN, 2)
    )
    assert found.verdict == ERROR and "no two settings" in found.reason


def test_a_setting_in_another_environment_is_in_no_group(bench):
    """Runs match within each setting, but the facts of "three" are different: nothing is said about
    its bits.
    """
    lab = bench(
        lambda trial: value(trial), facts=lambda trial: {**FACTS, "cpus": value(trial) == "three"}
    )
    found = lab.drive(compare(knob(), BASE, KNOWN, 2))
    assert (
        found.verdict == VARIES
        and found.settings == (("mlp", (("one",), ("two",))),)
        and "cpus" in found.reason
    )
    found = bench(
        lambda trial: 0, facts=lambda trial: {**FACTS, "cpus": value(trial) == "three"}
    ).drive(compare(knob(), BASE, KNOWN, 2))
    assert found.verdict == ERROR and "cpus" in found.reason


def test_procedures_are_compared_by_what_they_end_on(bench):
    """Resumed or through: the steps need not be the same. The bench's digest is of the value it was
    given.
    """
    assert (
        bench(lambda trial: 0).drive(compare(knob(procedure=True), BASE, KNOWN, 1)).verdict
        == REPRODUCIBLE
    )
    found = bench(value).drive(compare(knob(procedure=True), BASE, KNOWN, 1))
    assert found.verdict == VARIES and found.divergence.name == "the final weights or values"


def test_a_procedure_that_left_no_digest_is_not_compared(bench, fresh_folder):
    class Undigested(Bench):
        def _run(self, trial: Trial, number: int):
            done = super()._run(trial, number)
            done.trace.document["digests"].clear()
            return done

    found = Undigested(fresh_folder, lambda trial: 0, {"knob": 1}).drive(
        compare(knob(procedure=True), BASE, KNOWN, 1)
    )
    assert found.verdict == ERROR and "recorded no final weights" in found.reason


def test_each_setting_has_its_own_condition(bench):
    settings = (
        Setting("a", settings=own_setting("knob", 1), without=("leak",), pins=("wide",)),
        Setting("b", environment={"X": None, "Y": "1"}, device="gpu:1"),
    )
    lab = bench(lambda trial: 0)
    lab.drive(compare(knob(*settings, models=("cnn",), feed=True), BASE, KNOWN, 1))
    a = BASE.without(["leak"], KNOWN).with_pin(WIDE).with_settings(own_setting("knob", 1))
    b = BASE.with_environment({"X": None, "Y": "1"})
    assert lab.conditions() == {
        replace(a, model="cnn", feed="knob"),
        replace(b, model="cnn", feed="knob", device="gpu:1"),
    }


def test_a_setting_is_tried_on_its_own_models_only(bench):
    settings = (
        Setting("a", settings=own_setting("knob", "a")),
        Setting("b", settings=own_setting("knob", "b"), models=("cnn",)),
        Setting("c", settings=own_setting("knob", "c")),
    )
    lab = bench(lambda trial: 0)
    found = lab.drive(compare(knob(*settings, models=("mlp", "cnn")), BASE, KNOWN, 1))
    assert found.settings == (("mlp", (("a", "c"),)), ("cnn", (("a", "b", "c"),)))


def test_a_users_own_value_is_one_of_the_settings(bench):
    own = Setting("yours", settings=own_setting("knob", "yours"))
    lab = bench(lambda trial: value(trial) == "yours")
    found = lab.drive(compare(knob(), BASE, KNOWN, 1, (*knob().experiment.settings, own)))
    assert found.settings == (("mlp", (("one", "two", "three"), ("yours",))),)


# --- tallies and the control


def reported(bench_, count: int = 3):
    asked = pairs(BASE, count)
    return tally(BASE, asked, {trial: bench_.answer(trial) for one in asked for trial in one})


def test_a_tally_counts_every_pair_once(bench):
    found = reported(bench(lambda trial: {0: 0, 1: trial.draw, 2: CRASH}[number(trial)]))
    assert (
        found.matching,
        found.differing,
        found.pairs,
        len(found.problems),
        len(found.trials),
    ) == (
        0,
        2,
        2,
        1,
        6,
    )


def test_the_generators_states_count_where_nothing_is_ignored(bench):
    assert reported(bench(lambda trial: 0)).divergence.stage == "rng"


def test_evidence_is_the_least_over_the_trials(fresh_folder):
    class Uneven(Bench):
        def _run(self, trial: Trial, number: int):
            self.evidence = {"leak": trial.draw} if trial.draw else {}
            return super()._run(trial, number)

    lab = Uneven(fresh_folder, lambda trial: 0)
    assert reported(lab).evidence == {"leak": 0}
    assert tally(BASE, pairs(BASE, 1, 1), lab.answered).evidence == {"leak": 2}


def everything_equal(bench_) -> Bench:
    """The control compares the generators' states too: here they are equal in all trials."""
    original = bench_.answer
    bench_.answer = lambda trial: replace(
        original(replace(trial, draw=trial.side * 0)), trial=trial
    )
    return bench_


def test_a_control_holds_where_everything_matches(bench):
    found = everything_equal(bench(lambda trial: 0)).drive(control(BASE, ("mlp", "cnn"), 2))
    assert found.matches and not found.differing and not found.undecided and len(found.tallies) == 2


def test_a_control_differs_where_any_model_does(bench):
    found = bench(lambda trial: 0).drive(control(BASE, ("mlp",), 1))
    assert not found.matches and [one.condition.model for one in found.differing] == ["mlp"]


@pytest.mark.parametrize("behaviour", [CRASH, ABSENT, None])
def test_a_control_that_could_not_be_compared_does_not_hold(bench, behaviour):
    lab = bench(lambda trial: behaviour if trial.condition.model == "cnn" else 0)
    if behaviour is not None:
        lab = everything_equal(lab)
    found = lab.drive(control(BASE, ("cnn",), 1))
    assert not found.matches and len(found.undecided) == 1


@pytest.mark.parametrize(("models", "wanted"), [((), 2), (("mlp",), 0)])
def test_a_control_of_nothing_does_not_hold(bench, models, wanted):
    assert not bench(lambda trial: 0).drive(control(BASE, models, wanted)).matches


def test_options_are_part_of_what_is_asked(bench):
    lab = bench(lambda trial: 0)
    lab.drive(control(BASE, ("mlp",), 2))
    assert lab.conditions() == {BASE} and BASE.options == {"leak": True}

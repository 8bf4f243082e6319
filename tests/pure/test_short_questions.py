"""The search asks short runs, and whole runs confirm what it found: over worlds made by hand."""

import itertools

import pytest
from detaudit.commands.run import cut
from detaudit.commands.run.repeat import counted
from detaudit.core.condition import Condition, pair
from detaudit.core.events import Expected, Notice
from detaudit.core.outcome import Outcome
from detaudit.execution.program.forks import Forks
from detaudit_probes.protocol import Files, Measures

from tests.pure.handmade import Bench, Losses
from tests.pure.worlds import causes

STEPS = 20


def draws():
    """A new number for each draw."""
    numbers = itertools.count(1)
    return lambda: float(next(numbers))


def losses(*changes):
    """The losses of a training: each of ``changes`` is (step, value), from which step on the value
    counts.
    """
    values = [0.0] * STEPS
    for step, value in changes:
        values[step:] = [value] * (STEPS - step)
    return Losses(tuple(values))


def differs_at(step, pin="python-random", draw=None):
    """Runs differ from a step on unless the pin is applied, or the fix."""
    draw = draw or draws()

    def behave(trial):
        fixed = pin in trial.condition.pins or trial.condition.orders.version.startswith("fix")
        return losses() if fixed else losses((step, draw()))

    return behave


def runs_of(bench):
    return {trial for wanted in bench.asked for trial in wanted}


def whole(bench):
    return [trial for trial in runs_of(bench) if trial.condition.orders.stop_steps is None]


def test_a_difference_in_the_first_step_is_searched_for_in_two_steps(world):
    audit, bench, _ = world(behave=differs_at(0))
    assert causes(audit) == {"python-random": True} and audit.fix.verified
    stops = {trial.condition.orders.stop_steps for trial in runs_of(bench)}
    assert stops == {None, 2}
    # A pair, an unrecorded pair, and two pairs of the fix.
    assert len(whole(bench)) == 8


def test_only_pairs_of_which_nothing_else_is_asked_end_once_they_differ(world):
    """The first runs show where they differ, others by how much, or which lines draw."""
    _, bench, _ = world(behave=differs_at(8))
    for trial in runs_of(bench):
        orders = trial.condition.orders
        if not orders.stop_steps or orders.spy or orders.keep_from is not None:
            assert not orders.stop_differing
        elif orders.record:
            assert orders.stop_differing


def test_no_run_is_ended_early_or_forked_if_the_program_writes_outside_its_folder(world):
    """What it leaves there, such as a lock, would meet the next run, and the user's own."""
    forks = Forks()
    measures = Measures(steps=STEPS, moved=True, files=Files(outside=("/data/train.lock",)))
    audit, bench, _ = world(behave=differs_at(0), measures=measures, forks=forks)
    assert causes(audit) == {"python-random": True} and audit.fix.verified
    for trial in runs_of(bench):
        orders = trial.condition.orders
        assert orders.stop_steps is None and not orders.stop_differing and not orders.forked
    assert audit.notes == (
        "no run of the search was ended early, because the script writes outside its folder: "
        "/data/train.lock",
    )
    assert "because it writes outside its folder" in forks.note()


def test_short_runs_that_fail_where_whole_ones_do_not_accuse_no_pin(world):
    draw = draws()

    def behave(trial):
        if trial.condition.orders.stop_steps:
            return Outcome("failed", "exited with status 1: FileExistsError")
        pinned = "python-random" in trial.condition.pins or trial.condition.orders.version
        return losses() if pinned else losses((0, draw()))

    audit, _, _ = world(behave=behave)
    assert causes(audit) == {"python-random": True}
    assert not audit.search.incompatible_pins


def test_a_script_that_fails_with_any_pin_accuses_none(world):
    draw = draws()

    def behave(trial):
        if trial.condition.pins:
            return Outcome("failed", "exited with status 1: FileExistsError")
        return losses((0, draw()))

    audit, _, _ = world(behave=behave)
    assert not audit.causes and not audit.search.incompatible_pins
    assert "could not be compared" in audit.reason


def test_pinned_runs_that_train_nothing_at_first_are_made_whole(world):
    """A warm-up that only the pinned draw has."""
    draw = draws()

    def measures(trial):
        short = trial.condition.orders.stop_steps
        return Measures(steps=short or STEPS, moved=not (short and trial.condition.pins))

    audit, _, _ = world(behave=differs_at(0, draw=draw), measures=measures)
    assert causes(audit) == {"python-random": True}
    assert not audit.search.incompatible_pins


def test_a_difference_in_the_last_step_is_searched_for_in_whole_runs(world):
    audit, bench, _ = world(behave=differs_at(STEPS - 1))
    assert causes(audit) == {"python-random": True} and audit.fix.verified
    assert {trial.condition.orders.stop_steps for trial in runs_of(bench)} <= {None, STEPS}


def test_a_second_difference_that_comes_later_is_searched_for_too(world):
    draw, fixes = draws(), []

    def behave(trial):
        pins, version = trial.condition.pins, trial.condition.orders.version
        if version.startswith("fix") and version not in fixes:
            fixes.append(version)
        early = [] if version or "python-random" in pins else [(0, draw())]
        late = [] if version in fixes[1:] or "sorted-listing" in pins else [(8, draw())]
        return losses(*early, *late)

    said = []
    audit, bench, _ = world(behave=behave, emit=said.append)
    assert causes(audit) == {"python-random": True, "directory-order": True}
    stops = {trial.condition.orders.stop_steps for trial in runs_of(bench)}
    assert stops == {None, 2, 18}
    (later,) = (place for place, event in enumerate(said) if "runs still differ" in str(event))
    assert said[later] == Notice(
        "With python-random pinned, runs still differ, first at loss, step 8: loss. "
        "Searching for that cause too."
    )
    # and how long that takes
    assert isinstance(said[later + 1], Expected)
    first = next(event for event in said if isinstance(event, Expected))
    assert said[later + 1].runs > first.runs


def test_a_fix_of_the_first_difference_alone_is_not_verified(world):
    """The fix pins what the search has found, and whole runs of it differ later, whatever is
    pinned.
    """
    draw = draws()

    def behave(trial):
        pinned = "python-random" in trial.condition.pins
        fixed = trial.condition.orders.version.startswith("fix")
        return losses(*([] if pinned or fixed else [(0, draw())]), (12, draw()))

    audit, _, _ = world(behave=behave)
    assert (causes(audit), audit.fix) == ({"python-random": True}, None)
    assert "first at loss, step 12" in audit.reason and "everything pinned" in audit.reason
    assert (
        "sorted-listing" in audit.unresolved_pins and "python-random" not in audit.unresolved_pins
    )


def test_a_second_difference_that_is_rare_is_confirmed_by_as_many_pairs_as_that_takes(world):
    """And no forked runs are asked about it: they are not independent."""
    draw, forks = draws(), Forks()

    def behave(trial):
        pins, version = trial.condition.pins, trial.condition.orders.version
        early = [] if version or "python-random" in pins else [(0, draw())]
        rarely = trial.draw % 2 and trial.draw // 2 % 3 != 2
        late = [(8, draw())] if rarely and "sorted-listing" not in pins else []
        return losses(*early, *late)

    audit, bench, _ = world(behave=behave, forks=forks)
    assert causes(audit) == {"python-random": True, "directory-order": True}
    pins = ("python-random", "sorted-listing")
    assert sum(trial.condition.pins == pins for trial in whole(bench)) >= 10
    assert {trial.condition.orders.stop_steps for trial in forked(bench)} == {2}


def test_a_race_that_wanders_is_searched_for_behind_the_latest_place(world):
    draw, places = draws(), itertools.cycle((0, 3, 1, 4))

    def behave(trial):
        if "ordered-updates" in trial.condition.pins or trial.condition.orders.version:
            return losses()
        return losses((next(places), draw()))

    audit, _, _ = world(behave=behave)
    assert causes(audit) == {"update-race": True}


def test_a_warm_up_in_which_no_weight_changes_is_run_to_its_end(world):
    """Short runs that leave every weight as it was show nothing."""

    def measures(trial):
        return Measures(steps=STEPS, moved=trial.condition.orders.stop_steps is None)

    audit, _, _ = world(behave=differs_at(0), measures=measures)
    assert causes(audit) == {"python-random": True} and audit.fix.verified


@pytest.fixture
def bench_of(fresh_folder):
    return lambda behave: Bench(fresh_folder, behave)


@pytest.mark.parametrize(
    ("first", "second", "steps"),
    [(0, 0, 2), (3, 0, 8), (4, 4, 10), (9, 9, None), (STEPS - 1, STEPS - 1, None)],
)
def test_trials_end_at_twice_the_latest_first_divergence(bench_of, first, second, steps):
    draw = draws()
    bench = bench_of(lambda trial: losses((first if trial.draw < 2 else second, draw())))
    condition = Condition("tensorflow", "auto", "train.py", 1)
    done = [bench.answer(trial) for number in (0, 1) for trial in pair(condition, number)]
    assert cut.behind(done) == steps


@pytest.mark.parametrize(
    ("first_step", "last_step", "steps"),
    [(1.0, 77.0, 2), (1.0, 20.0, 2), (1.0, 2.9, 3), (1.0, 1.19, STEPS // 2), (None, None, 2)],
)
def test_cheap_steps_are_added_in_which_a_race_may_show(bench_of, first_step, last_step, steps):
    """Up to a twentieth of the 4 s until the first step has ended, and half of the steps."""
    measures = Measures(first_step=first_step, last_step=last_step, after_import=7.0)
    draw = draws()
    bench = bench_of(lambda trial: losses((0, draw())))
    bench.measures, bench.seconds = measures, 10.0
    condition = Condition("tensorflow", "auto", "train.py", 1)
    done = [bench.answer(trial) for trial in pair(condition, 0)]
    assert cut.behind(done) == steps


def test_runs_of_unequal_length_are_compared_whole(bench_of):
    """Runs that end after a given time: ended early, both make as many steps."""
    bench = bench_of(lambda trial: Losses((0.5,) * (3 if trial.draw else STEPS)))
    condition = Condition("tensorflow", "auto", "train.py", 1)
    done = [bench.answer(trial) for trial in pair(condition, 0)]
    assert counted(done).divergence.kind == "missing" and cut.behind(done) is None


def test_a_run_that_fails_is_compared_whole(bench_of):
    draw = draws()
    bench = bench_of(
        lambda trial: losses((0, draw())) if trial.draw else Outcome("failed", "ValueError")
    )
    condition = Condition("tensorflow", "auto", "train.py", 1)
    done = [bench.answer(trial) for trial in pair(condition, 0)]
    assert cut.behind(done) is None


# Forked runs --------------------------------------------------------------------------------------


def forked(bench):
    return [trial for trial in runs_of(bench) if trial.condition.orders.forked]


def test_the_search_is_asked_of_forked_runs_and_what_is_claimed_comes_from_fresh_ones(world):
    forks = Forks()
    audit, bench, _ = world(behave=differs_at(0), forks=forks)
    assert causes(audit) == {"python-random": True} and audit.fix.verified
    assert len(forked(bench)) > len(runs_of(bench)) / 3 and forks.note() == ""
    assert all(trial.condition.orders.stop_steps for trial in forked(bench))


def test_forked_runs_that_end_on_other_bits_than_fresh_ones_are_given_up(world):
    draw, forks = draws(), Forks()

    def behave(trial):
        pinned = "python-random" in trial.condition.pins or trial.condition.orders.version
        if trial.condition.orders.forked:
            return losses((0, 0.5)) if pinned else losses((0, draw()))
        return losses() if pinned else losses((0, draw()))

    audit, bench, _ = world(behave=behave, forks=forks)
    assert causes(audit) == {"python-random": True} and audit.fix.verified
    assert "forked runs and fresh runs end on different bits" in forks.note()
    assert len(forked(bench)) <= 4


def test_forked_runs_that_always_match_hide_no_cause(world):
    """What makes runs differ happens before the fork, so no forked pair shows it."""
    draw, forks = draws(), Forks()

    def behave(trial):
        pinned = "python-random" in trial.condition.pins
        return losses() if pinned or trial.condition.orders.forked else losses((0, draw()))

    audit, _, _ = world(behave=behave, forks=forks)
    assert causes(audit) == {"python-random": True}
    assert "forked runs and fresh runs end on different bits" in forks.note()


def test_forked_runs_that_crash_accuse_nobody(world):
    draw, forks = draws(), Forks()

    def behave(trial):
        if trial.condition.orders.forked:
            return Outcome("crashed", "died from SIGSEGV")
        pinned = "python-random" in trial.condition.pins or trial.condition.orders.version
        return losses() if pinned else losses((0, draw()))

    audit, _, _ = world(behave=behave, forks=forks)
    assert causes(audit) == {"python-random": True} and audit.fix.verified
    assert "did not complete: died from SIGSEGV" in forks.note()


def test_where_pairs_differ_rarely_no_run_is_forked(world):
    """Forked runs share what was drawn before the fork: their pairs are not independent."""
    draw, numbers, forks = draws(), itertools.count(), Forks()

    def behave(trial):
        pinned = "python-random" in trial.condition.pins or trial.condition.orders.version
        return losses() if pinned or next(numbers) % 4 else losses((0, draw()))

    audit, bench, _ = world(behave=behave, forks=forks)
    assert audit.reproducible is False and not forked(bench)


def test_forked_runs_that_always_differ_do_not_end_the_search(world):
    """Fresh runs with everything pinned match: what forked ones do says nothing about that."""
    draw, forks = draws(), Forks()

    def behave(trial):
        fixed = "python-random" in trial.condition.pins or trial.condition.orders.version
        return losses() if fixed and not trial.condition.orders.forked else losses((0, draw()))

    audit, bench, _ = world(behave=behave, forks=forks)
    assert causes(audit) == {"python-random": True} and audit.fix.verified
    assert "found no cause in its forked runs" in forks.note()
    assert len(forked(bench)) <= 4  # with all pins, that is seen at once


def test_a_source_through_which_only_forked_runs_differ_is_not_named(world):
    draw, forks = draws(), Forks()

    def behave(trial):
        pins, orders = trial.condition.pins, trial.condition.orders
        fixed = "python-random" in pins or orders.version
        reseeded = orders.forked and "numpy-legacy" not in pins
        return losses() if fixed and not reseeded else losses((0, draw()))

    audit, _, _ = world(behave=behave, forks=forks)
    assert causes(audit) == {"python-random": True} and audit.fix.verified
    assert forks.note()


def test_what_forked_runs_refuted_is_asked_again_of_fresh_ones(world):
    """Forked runs differ whatever is pinned but everything, and they end on the bits of fresh
    runs then.
    """
    draw, forks = draws(), Forks()

    def behave(trial):
        pins, orders = trial.condition.pins, trial.condition.orders
        fixed = "python-random" in pins or orders.version
        few = orders.forked and len(pins) < 8
        return losses() if fixed and not few else losses((0, draw()))

    audit, _, _ = world(behave=behave, forks=forks)
    assert causes(audit) == {"python-random": True} and audit.fix.verified


def test_a_fresh_run_that_cannot_be_compared_does_not_vouch_for_forked_ones(world):
    draw, forks = draws(), Forks()

    def behave(trial):
        fixed = "python-random" in trial.condition.pins or trial.condition.orders.version
        short = trial.condition.orders.stop_steps and not trial.condition.orders.forked
        if trial.condition.pins == ("python-random",) and short and trial.draw % 2 == 0:
            return Outcome("timed-out", "no end after 60 s")
        return losses() if fixed else losses((0, draw()))

    world(behave=behave, forks=forks)
    assert "could not be compared" in forks.note()


def test_pins_that_make_every_run_fail_do_not_end_the_forks(world):
    """Op determinism without seeds makes a script fail, forked or not."""
    draw, forks = draws(), Forks()

    def behave(trial):
        pins, version = trial.condition.pins, trial.condition.orders.version
        if "op-determinism" in pins and "python-random" not in pins:
            return Outcome("failed", "RuntimeError: Random ops require a seed")
        fixed = version or {"python-random", "op-determinism"} <= set(pins)
        return losses() if fixed else losses((0, draw()))

    world(behave=behave, forks=forks)
    assert not forks.note()


# What is said if nothing more is found ------------------------------------------------------------


def test_whole_runs_that_fail_with_the_pins_are_not_said_to_differ(world):
    """Op determinism refuses an operation that only comes after the short runs have ended."""
    draw = draws()

    def behave(trial):
        pins, orders = trial.condition.pins, trial.condition.orders
        if orders.version or ("op-determinism" in pins and orders.stop_steps is None):
            return Outcome("failed", "UnimplementedError")
        return losses() if "op-determinism" in pins else losses((0, draw()))

    audit, _, _ = world(behave=behave)
    assert (audit.causes, audit.fix, audit.reproducible) == ((), None, False)
    assert "everything pinned" not in audit.reason
    assert "with op-determinism pinned" in audit.reason and "UnimplementedError" in audit.reason
    assert not any("fresh runs differ" in line for line in audit.search.questions)


def test_pins_that_make_whole_runs_fail_are_replaced_by_others(world):
    draw = draws()

    def behave(trial):
        pins, orders = trial.condition.pins, trial.condition.orders
        if "dense-update" in pins and orders.stop_steps is None:
            return Outcome("failed", "UnimplementedError")
        fixed = {"dense-update", "one-thread"} & set(pins)
        return losses() if fixed else losses((0, draw()))

    audit, _, _ = world(behave=behave)
    assert [cause.pin for cause in audit.causes] == ["one-thread"] and audit.causes[0].necessary
    assert audit.search.incompatible_pins == ("dense-update",)


def test_more_divergences_than_are_searched_for_are_reported(world):
    places = {
        "python-random": 0,
        "sorted-listing": 2,
        "numpy-legacy": 6,
        "clock": 14,
        "one-worker": 30,
        "os-entropy": 62,
    }
    draw, steps = draws(), 130

    def behave(trial):
        values = [0.0] * steps
        for pin, step in places.items():
            if pin not in trial.condition.pins:
                values[step:] = [draw()] * (steps - step)
        return Losses(tuple(values))

    audit, _, _ = world(behave=behave)
    assert len(audit.causes) == 4 and audit.fix is None
    assert "runs still differ" in audit.reason and audit.unresolved_pins


def test_a_cause_that_whole_runs_have_not_confirmed_is_not_known_so_far(world):
    """What is known so far is the report if the budget runs out meanwhile."""
    draw, published = draws(), []

    def behave(trial):
        pins, orders = trial.condition.pins, trial.condition.orders
        fixed = "python-random" in pins and (orders.stop_steps or len(pins) > 8)
        return losses() if fixed else losses((0, draw()))

    audit, _, _ = world(behave=behave, known_so_far=published.append)
    assert audit.fix is None
    assert [one.causes for one in published if one.causes] == []


def test_a_cause_beside_a_doubtful_one_has_as_many_matching_pairs_as_any(world):
    """Without directory-order, runs differ once and never again."""
    draw, lone = draws(), []

    def behave(trial):
        pins = trial.condition.pins
        if "python-random" not in pins:
            return losses((0, draw()))
        if "sorted-listing" not in pins and len(lone) < 40 and trial.draw < 2:
            lone.append(1)
            return losses((0, draw()))
        return losses()

    audit, bench, _ = world(behave=behave)
    assert causes(audit) == {"python-random": True}
    assert audit.unresolved_pins == ("sorted-listing",)
    needed = [
        trial
        for trial in runs_of(bench)
        if trial.condition.pins == ("python-random", "sorted-listing") and trial.draw >= 200
    ]
    assert len(needed) >= 10

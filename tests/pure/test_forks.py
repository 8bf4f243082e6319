"""Which trials a nest of the user's program takes, and at which point it forks."""

import dataclasses
import time
from types import SimpleNamespace

import pytest
from detaudit.core.condition import Condition, Trial
from detaudit.core.experiment import Finished
from detaudit.core.outcome import COMPLETED, Outcome
from detaudit.execution.host import NestUnusable
from detaudit.execution.program.forks import NO_FORKS, Forks
from detaudit.execution.program.nests import Nests, ProgramNest, _Forked
from detaudit.execution.program.process import Pace, Services
from detaudit.execution.program.program import find
from detaudit_probes.protocol import Measures, Point, Settings

CONDITION = Condition("tensorflow", "auto", "train.py", 1)
FORKED = CONDITION.with_orders(forked=True)
TENSORFLOW, KERAS = Point("tensorflow", 1), Point("keras", 2)


def finished(
    *points: Point,
    condition: Condition = CONDITION,
    seconds: float = 5.0,
    stopped: int | None = None,
) -> Finished:
    trace = SimpleNamespace(measures=Measures(points=points, stopped=stopped))
    return Finished(Trial(condition, 0), 1, Outcome(COMPLETED, seconds=seconds), trace)


def nests(*points: Point) -> Nests:
    made = Nests(None, Forks())
    made.learn(finished(*points))
    return made


def test_it_forks_at_the_last_point_where_nothing_is_in_the_way():
    assert nests(TENSORFLOW, KERAS).known.point == KERAS
    hindered = KERAS._replace(obstacle="it uses TensorFlow")
    assert nests(TENSORFLOW, hindered).known.point == TENSORFLOW


def test_if_something_is_in_the_way_at_every_point_the_first_one_is_reported():
    made = nests(TENSORFLOW._replace(obstacle="it starts a thread"))
    assert not made.takes(Trial(FORKED, 0)) and not made.forks.want()
    assert made.forks.note() == (
        "each run of the search started the script from its first line, because it starts a thread "
        "before its import of tensorflow has ended"
    )


def test_only_a_fresh_recorded_run_shows_where_to_fork():
    made = Nests(None, Forks())
    made.learn(finished(KERAS, condition=FORKED))
    made.learn(finished(condition=CONDITION.with_orders(record=False)))
    assert not made.takes(Trial(FORKED, 0)) and made.forks.usable
    made.learn(finished(KERAS))
    assert made.takes(Trial(FORKED, 0)) and not made.takes(Trial(CONDITION, 0))


def test_short_forked_runs_say_nothing_about_how_long_a_run_takes():
    made = nests(KERAS)
    made.learn(finished(condition=FORKED, seconds=90.0))
    assert made.known.limit(None) == 3 * 5.0 + 5.0


def test_how_long_a_forked_run_may_take_depends_on_where_it_is_ended():
    """A whole run may take hours; a child that hangs must not take three times that."""
    made = nests(KERAS)
    made.learn(finished(KERAS, seconds=3600.0))
    short = CONDITION.with_orders(stop_steps=2)
    made.learn(finished(condition=short, seconds=8.0))
    made.learn(finished(condition=short, seconds=10.0))
    assert made.known.limit(2) == 3 * 10.0 + 5.0
    ended = finished(condition=short.with_orders(stop_differing=True), seconds=30.0, stopped=1)
    made.learn(ended)  # it differed
    assert made.known.limit(2) == 3 * 10.0 + 5.0
    assert made.known.limit(20) == 3 * 3600.0 + 5.0
    assert made.known.start_limit == 3 * 10.0 + 5.0


NEEDS_START = {
    "another text": FORKED.with_orders(version="fix 1"),
    "without files": FORKED.with_orders(without=("a.txt",)),
    "with what a run left": FORKED.with_orders(left=True),
    "whose files are kept": FORKED.with_orders(kept=True),
    "whose reads count": FORKED.with_orders(files=("a.txt",)),
    "varied": dataclasses.replace(FORKED, unpinned=("intra-op-threads",)),
    "beside load": FORKED.with_settings(Settings(busy=True)),
}


@pytest.mark.parametrize("name", NEEDS_START)
def test_a_trial_that_needs_a_new_process_gets_one(name):
    made = nests(KERAS)
    assert not made.takes(Trial(NEEDS_START[name], 0))
    assert made.forks.usable and not made.forks.note()


def test_seeds_that_were_set_before_the_point_are_seen_by_fresh_runs_only():
    spy = Trial(FORKED.with_orders(spy="python-random"), 0)
    assert nests(KERAS).takes(spy)
    assert not nests(KERAS._replace(kept=(("random", "12"),))).takes(spy)


def test_addresses_select_the_nest():
    made = nests(KERAS)
    fixed = FORKED.with_settings(Settings(fixed_addresses=True))
    assert made.group(Trial(fixed, 0)) != made.group(Trial(FORKED, 0))


def test_an_audit_without_forks_leaves_nothing_to_the_next_one():
    """``NO_FORKS`` is shared by all of them."""
    assert not NO_FORKS.usable
    NO_FORKS.reject("whole runs do not match")
    assert not NO_FORKS.note() and not NO_FORKS.rejected


def test_a_trial_that_has_not_begun_when_its_nest_is_ended_is_run_elsewhere(tmp_path):
    """Another run of that nest has hung, so its pipe is closed."""
    nest = object.__new__(ProgramNest)
    nest._commands, nest._process = None, SimpleNamespace(poll=lambda: 0)
    nest._forked = {tmp_path: _Forked(begins=time.monotonic() + 60, command=b"", limit=5.0)}
    nest._finish = lambda folder, ended: ended
    with pytest.raises(NestUnusable, match="was killed"):
        nest.ended(tmp_path)
    nest._forked[tmp_path].begins = 0.0
    with pytest.raises(NestUnusable, match="was killed"):
        nest.ended(tmp_path)


@pytest.mark.parametrize(
    "text", ["import time", "tf.timestamp()", "x.update(validate(1))  # known"]
)
def test_forked_runs_of_a_program_that_may_ask_for_the_time_begin_apart(tmp_path, text):
    (tmp_path / "train.py").write_text(text)
    program = find("train.py", False, (), tmp_path)
    paced = Nests(program, Forks(), Services(Pace())).services.pace
    assert (paced is not None) == ("known" not in text)


def test_the_first_reason_is_reported_and_none_if_no_run_was_to_be_forked():
    forks = Forks()
    forks.drop("it lies")
    forks.drop("something else")
    assert not forks.usable and not forks.note()
    assert not forks.want()
    assert forks.note().startswith("each run ") and forks.note().endswith("because it lies")
    forks.use()
    assert forks.note().startswith("later runs ")
    assert not NO_FORKS.usable and not NO_FORKS.note()

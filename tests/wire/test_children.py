"""What a child may do to us: nothing may hang the audit, hide a failure or pass for a match."""

import os
import time
from pathlib import Path

from detaudit.core import outcome
from detaudit.core.condition import Trial, pair
from detaudit.core.experiment import Asking
from detaudit.core.tally import tally

from tests.wire.conftest import ask, condition


def test_a_well_behaved_child_completes(run):
    done = run(steps=12)
    assert done.outcome.kind == outcome.COMPLETED
    assert done.trace.steps() == 12
    assert done.outcome.max_rss > 1_000_000


def test_two_megabytes_on_stderr_and_text_on_stdout_are_no_part_of_the_protocol(run):
    done = run(fault="flood")
    assert done.outcome.completed
    assert (done.trace.folder / "stderr").stat().st_size == 2048 * 1024
    assert (done.trace.folder / "stdout").read_text() == "text on stdout\n"


def test_death_by_a_signal_is_reported_with_its_name_and_the_steps_that_were_done(run):
    done = run(fault="segfault", steps=12)
    assert done.outcome.kind == outcome.CRASHED
    assert done.outcome.reason.startswith("died from SIGSEGV")
    assert "after 12 steps" in done.outcome.reason
    assert done.trace.steps() == 12


def test_a_child_killed_for_memory_is_reported_as_such(run):
    done = run(fault="killed")
    assert done.outcome.kind == outcome.CRASHED
    assert "memory ran out" in done.outcome.reason


def test_an_exit_from_the_training_is_a_failure(run):
    done = run(fault="leave")
    assert (done.outcome.kind, done.outcome.reason[:12]) == (outcome.FAILED, "SystemExit: ")


def test_a_child_that_vanishes_with_status_zero_has_not_completed(run):
    done = run(fault="vanish")
    assert done.outcome.kind == outcome.CRASHED
    assert "incomplete trace" in done.outcome.reason


def test_what_cannot_be_tried_is_unavailable_with_its_reason(run):
    done = run(fault="unavailable")
    assert (done.outcome.kind, done.outcome.reason) == (outcome.UNAVAILABLE, "not on this machine")


def test_a_full_disk_is_a_failure_of_the_trial(run):
    done = run(fault="full_disk")
    assert done.outcome.kind == outcome.FAILED
    assert "File too large" in done.outcome.reason


def test_a_hang_ends_with_the_timeout_and_takes_its_grandchild_along(run, tmp_path):
    done = run(fault="hang", timeout=3, pids=str(tmp_path / "pids"))
    assert done.outcome.kind == outcome.TIMED_OUT
    assert_gone(tmp_path / "pids")


def test_a_grandchild_that_is_left_behind_is_ended(run, tmp_path):
    done = run(fault="orphan", pids=str(tmp_path / "pids"))
    assert done.outcome.completed
    assert_gone(tmp_path / "pids")


def test_a_grandchild_that_ran_away_is_ended(make_runner, tmp_path):
    runner = make_runner()
    asking = Asking(ask([Trial(condition(fault="runaway", pids=str(tmp_path / "pids")), 0)]))
    runner.run([asking])
    assert asking.finding[0].outcome.completed
    assert_gone(tmp_path / "pids")


def test_a_pair_of_which_one_died_is_never_a_match(make_runner):
    runner = make_runner()
    pairs = [pair(condition(fault="segfault"), 0)]
    asking = Asking(ask([*pairs[0]]))
    runner.run([asking])
    observed = tally(
        condition(fault="segfault"), pairs, dict(zip(pairs[0], asking.finding, strict=True))
    )
    assert (observed.matching, observed.differing) == (0, 0)
    assert "SIGSEGV" in observed.problems[0]


def assert_gone(pids: Path) -> None:
    """The processes in the file end within a moment: the group is killed when the child has
    ended.
    """
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if not any(alive(int(pid)) for pid in pids.read_text().split()):
            return
        time.sleep(0.05)
    raise AssertionError("still alive: " + pids.read_text())


def alive(pid: int) -> bool:
    """A zombie whose parent has not looked yet is not alive."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
    except OSError:
        os.kill(pid, 0)
        return True

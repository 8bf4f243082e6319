"""What became of a child, from its own word and from how its process ended."""

from dataclasses import replace

import pytest
from detaudit.core.outcome import (
    COMPLETED,
    CRASHED,
    FAILED,
    TIMED_OUT,
    UNAVAILABLE,
    Ended,
    Outcome,
    last_line,
    of_child,
    signal_name,
)

GOOD = Ended(0, None, False, 1.5, 1024)


def test_completed_is_what_says_so_and_ends_so():
    found = of_child({"kind": "completed"}, GOOD, 3)
    assert (found.kind, found.reason, found.seconds, found.max_rss) == (
        COMPLETED,
        "",
        1.5,
        1024,
    ) and found.completed


@pytest.mark.parametrize(
    ("written", "ended"),
    [
        ({"kind": "completed"}, replace(GOOD, status=1)),
        ({"kind": "completed"}, replace(GOOD, status=None, signal=11)),
        ({"kind": "completed"}, replace(GOOD, timed_out=True)),
        ({"kind": "running"}, GOOD),
        ({}, GOOD),
        ({"kind": "something new"}, GOOD),
    ],
)
def test_nothing_else_is_completed(written, ended):
    assert not of_child(written, ended, 3).completed


def test_a_signal_is_reported_with_its_name_and_the_steps():
    found = of_child(
        {"kind": "failed", "type": "ValueError"}, replace(GOOD, status=None, signal=11), 12
    )
    assert (found.kind, found.reason) == (CRASHED, "died from SIGSEGV after 12 steps")


def test_a_timeout_is_reported_before_the_signal_that_ended_it():
    found = of_child({"kind": "running"}, Ended(None, 9, True, 30.2), 4)
    assert (found.kind, found.reason) == (
        TIMED_OUT,
        "stopped by the timeout after 30 s and 4 steps",
    )


def test_an_unfinished_trace_is_a_crash_with_the_status():
    found = of_child({"kind": "running"}, replace(GOOD, status=70), 2)
    assert (found.kind, found.reason) == (
        CRASHED,
        "exited with status 70 after 2 steps, with an incomplete trace",
    )


def test_a_failure_is_reported_in_the_childs_own_words():
    written = {
        "kind": "failed",
        "type": "ValueError",
        "message": "no such thing",
        "where": "a/b.py:3 in f",
    }
    found = of_child(written, replace(GOOD, status=1), 0)
    assert (found.kind, found.reason) == (FAILED, "ValueError: no such thing (a/b.py:3 in f)")
    assert (
        of_child({**written, "where": ""}, replace(GOOD, status=1), 0).reason
        == "ValueError: no such thing"
    )


def test_what_is_unavailable_keeps_its_reason():
    found = of_child({"kind": "unavailable", "reason": "no GPU here"}, replace(GOOD, status=1), 0)
    assert (found.kind, found.reason) == (UNAVAILABLE, "no GPU here")


def test_a_child_that_nobody_measured_has_zero_seconds():
    found = of_child({}, Ended(1), 0)
    assert (found.seconds, found.max_rss) == (0.0, 0)
    assert Outcome(CRASHED) == Outcome(CRASHED, "", 0.0, 0)


@pytest.mark.parametrize(("number", "name"), [(11, "SIGSEGV"), (6, "SIGABRT"), (200, "signal 200")])
def test_signals_by_name(number, name):
    assert signal_name(number) == name


def test_the_kernels_signal_for_want_of_memory_is_explained():
    assert signal_name(9) == "SIGKILL (killed, perhaps because memory ran out)"


@pytest.mark.parametrize(
    ("text", "line"), [("", ""), ("\n \n", ""), ("first\n second \n\n", "second"), ("one", "one")]
)
def test_the_last_line_is_one_that_says_something(text, line):
    assert last_line(text) == line


@pytest.mark.parametrize(
    ("stderr", "reported"),
    [
        (
            "Traceback (most recent call last):\n  File x\nValueError: no\n[0.5s] step 3\n",
            "ValueError: no",
        ),
        (
            "Traceback (most recent call last):\n  File x\nAttributeError: in user code:\n\n"
            "    AttributeError: no attribute\n\nstep 0\n",
            "AttributeError: no attribute",
        ),
        ("ValueError: handled\nnothing to do\n", "nothing to do"),
    ],
)
def test_the_exception_is_reported_if_another_thread_writes_after_it(stderr, reported):
    found = of_child({"kind": "completed"}, Ended(1), 0, stderr)
    assert found.reason == f"exited with status 1: {reported}"

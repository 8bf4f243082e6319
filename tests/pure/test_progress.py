"""What a long command says of its work: the first line, the time left, a difference at once."""

import io

import pytest
from detaudit.cli import logs
from detaudit.cli.progress import Drawing, Work
from detaudit.commands.run.forecast import Length, predict
from detaudit.core.durations import duration
from detaudit.core.events import (
    Decided,
    Differing,
    Expected,
    Notice,
    Phase,
    ScriptEnded,
    TrialEnded,
    logged,
)
from rich.console import Console


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def ended(done: int, known: int) -> TrialEnded:
    return TrialEnded(done, known, "mlp", "completed")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 s"),
        (4.4, "4 s"),
        (19, "19 s"),
        (47, "50 s"),
        (58, "1 minute"),
        (125, "2 minutes"),
        (5300, "88 minutes"),
        (5400, "1.5 hours"),
    ],
)
def test_durations(seconds, words):
    assert duration(seconds) == words


def test_the_time_left_is_the_forecast_at_first_and_then_what_runs_take(clock):
    work = Work(clock)
    assert work.describe() == ""
    work.expect(Expected(10, 50.0))
    assert work.describe() == "0 of 10 runs, 50 s left"
    clock.now += 10
    work.count(ended(1, 4))
    assert work.describe() == "1 of 10 runs, 40 s left"
    clock.now += 10
    work.count(ended(2, 4))  # 10 s each: 8 are to come
    assert work.describe() == "2 of 10 runs, 1 minute left"
    clock.now += 40
    assert work.describe() == "2 of 10 runs, 40 s left"


def test_the_display_does_not_say_that_all_is_done_while_more_is_to_come(clock):
    """The runner knows of no further trial whenever an experiment is about to ask for more."""
    work = Work(clock)
    work.expect(Expected(40, 400.0))
    for number in range(1, 13):
        clock.now += 10
        work.count(ended(number, number))
        assert work.total == 40 and work.seconds_left() > 200
    for number in range(13, 42):
        work.count(ended(number, number))
    assert work.describe() == "41 runs so far"  # more than anybody expected
    clock.now += 100
    work.count(ended(42, 44))  # the last pair that was requested is not all that is left
    assert work.describe() == "42 runs so far"


def test_what_has_another_pace_is_added_as_it_was_forecast(clock):
    work = Work(clock)
    work.expect(Expected(100, 120.0, later_runs=12, later_seconds=70.0))
    for number in range(1, 45):
        clock.now += 1
        work.count(ended(number, 88))
    assert work.seconds_left() == pytest.approx(44 + 70)
    work.count(ended(88, 88))
    work.expect(Expected(100, 70.0))
    clock.now += 19
    for _ in range(2):
        work.count(ScriptEnded())
    assert work.ended == 90 and work.total == 100
    assert work.seconds_left() == pytest.approx(10 * 9.5)


def test_one_run_is_no_plural():
    work = Work()
    work.count(ended(1, 1))
    assert work.describe() == "1 run so far"


def drawn(*events, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    with Drawing(console) as drawing:
        for event in events:
            drawing(event)
    return console.file.getvalue()


def test_in_a_pipe_the_first_line_is_what_will_be_done():
    lines = drawn(
        Phase("Starting tensorflow"),
        Notice("Trying 3 sources on tiny models: at least 20 runs, about 1 minute on this machine"),
        Expected(20, 60.0),
        Phase("Control"),
        *(ended(number, 20) for number in range(1, 21)),
        Decided("xla", "varies", ""),
    ).splitlines()
    assert lines[0].startswith("Trying 3 sources on tiny models: at least 20 runs")
    assert lines[1] == "Control" and lines[-1] == "xla: varies"
    assert sum("of 20 runs, " in line for line in lines) == 9  # one for each tenth


def test_no_secret_is_in_a_line(monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "correct-horse-7")
    screen = io.StringIO()
    drawing = Drawing(Console(file=screen))
    for event in (Notice, Phase, Differing):
        drawing(event("correct-horse-7.py with api_key = 'a1b2c3d4e5f6'"))
    assert screen.getvalue() == 3 * "<secret>.py with api_key = '<secret>'\n"


def test_with_a_log_on_the_screen_an_event_is_told_once(monkeypatch):
    screen = io.StringIO()
    console = Console(file=screen)
    try:
        logs.set_up(console, True, None)
        emit = logged(Drawing(console, logged=True))
        told = [Notice("the work"), Phase("the phase"), Decided("clock", "reproducible", "equal")]
        for event in (*told, Differing("they differ")):
            emit(event)
    finally:
        logs.set_up(console, False, None)
    assert screen.getvalue().splitlines() == [
        "the work",
        "the phase",
        "clock: reproducible (equal)",
        "they differ",
    ]


def test_a_difference_is_told_at_once_and_once():
    lines = drawn(Differing("Two runs differ, first at init: a."), Differing("Two runs differ."))
    assert lines == "Two runs differ, first at init: a.\n"


def test_the_live_line_fits_the_terminal_whatever_the_phase_is_called():
    for width in (80, 120):
        console = Console(file=io.StringIO(), width=width, force_terminal=True, height=24)
        with Drawing(console) as drawing:
            drawing(Expected(100, 100.0))
            drawing(ended(5, 10))
            drawing(Phase("Running the printed lines as a script: " + "a long title " * 9))
            lines = list(console.render_lines(drawing._bar.get_renderable(), pad=False))
        assert len(lines) == 1
        text = "".join(segment.text for segment in lines[0])
        assert len(text) <= width and "5 of 100 runs" in text and "Running the printed" in text


def test_how_long_a_run_takes_is_said_as_minutes():
    forecast = predict(3, search=True, timed=False)
    assert forecast.announcement("train.py") == (
        "Running train.py 15 times if its runs match. If they differ, finding the cause takes about "
        "10 whole runs and 32 short ones, which end where the difference shows (more if runs differ "
        "rarely)"
    )
    length = Length(4.0, 15.0, 30)
    assert forecast.estimate(length, 2) == (
        "One run takes 19 s, so the audit takes about 3 minutes if runs match, and between 4 minutes "
        "and 9 minutes if they differ, depending on where."
    )
    assert forecast.expected(length, 1, 1, differs=False) == Expected(15, 14 * 19.0)
    differing = forecast.expected(length, 1, 2, differs=True, steps=2)
    assert differing == Expected(42, 8 * 19.0 + 32 * 5.0)
    verdict = predict(1, search=False, timed=False)
    assert (
        verdict.announcement("train.py") == "Running train.py 5 times to see whether its runs match"
    )
    one = "One run takes 2 s, so the audit takes about 10 s."
    assert verdict.estimate(Length(1.0, 1.0, 30), 1) == one


@pytest.mark.parametrize(
    ("seconds", "enough"),
    [
        (100, "about 7 runs, which is too little to see whether runs match"),
        (
            210,
            "about 15 runs, which is enough to see whether runs match, but not to find the cause",
        ),
        (300, "about 22 runs, which is enough for a search only if runs differ early"),
        (900, "about 67 runs, which should be enough"),
    ],
)
def test_a_budget_is_said_to_buy_what_it_is_enough_for(seconds, enough):
    forecast = predict(3, search=True, timed=False)
    assert enough in forecast.bought(seconds, Length(4.0, 15.0, 30), 2)


def test_a_long_program_can_be_judged_by_its_first_steps():
    forecast = predict(3, search=True, timed=False)
    said = forecast.estimate(Length(10.0, 3600.0, 12_345), 2)
    assert "--stop-after 200 would end every run after 200 of its 12,345 steps" in said
    assert "that is after 1 minute" in said
    assert "--stop-after" not in forecast.estimate(Length(10.0, 500.0, 12_345), 2)

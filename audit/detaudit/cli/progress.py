"""The progress display of an audit: one live line on a terminal, plain lines in a pipe."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task
from rich.text import Text

from detaudit.cli.logs import Mask
from detaudit.core.durations import duration
from detaudit.core.events import (
    Decided,
    Differing,
    Event,
    Expected,
    Notice,
    Phase,
    ScriptEnded,
    TrialEnded,
)
from detaudit.core.sentences import number
from detaudit.report.escape import visible_line

#: In a pipe, one line is printed after each of so many equal shares of the runs.
_SHARES = 10
_LEAST_TITLE = 10  # at least this many characters of a phase are shown, even on a narrow terminal


@dataclass
class Work:
    """The number of runs that have ended, of expected runs, and the time left, from the events so
    far.

    The time left comes from the forecast until two runs have ended after it; then from the time
    that those took, for each remaining run.
    """

    clock: Callable[[], float] = time.monotonic
    trials: int = 0
    scripts: int = 0
    expected: Expected | None = None
    requested: int = 0
    _forecast_time: float = 0.0
    _ended_before_forecast: int = 0
    _last_end: float = 0.0

    @property
    def ended(self) -> int:
        return self.trials + self.scripts

    @property
    def total(self) -> int | None:
        """Return the expected number of runs; None if more runs have ended than were expected."""
        runs = self.requested
        if self.expected is not None:
            if self.ended >= self.expected.runs:
                return None  # what is requested now may be a small part of what is left
            runs = max(runs, self.expected.runs)
        return runs if runs > self.ended else None

    def expect(self, event: Expected) -> None:
        self.expected = event
        self._forecast_time = self._last_end = self.clock()
        self._ended_before_forecast = self.ended

    def count(self, event: TrialEnded | ScriptEnded) -> None:
        if isinstance(event, TrialEnded):
            self.trials = event.done
            self.requested = max(self.requested, event.known + self.scripts)
        else:
            self.scripts += 1
        self._last_end = self.clock()

    def seconds_left(self) -> float | None:
        """Return the time left; None if it is unknown."""
        if self.expected is None or self.total is None:
            return None
        timed = self.ended - self._ended_before_forecast
        if timed < 2:
            return max(0.0, self.expected.seconds - (self.clock() - self._forecast_time))
        seconds_per_run = (self._last_end - self._forecast_time) / timed
        runs = max(0, self.total - self.expected.later_runs - self.ended)
        after_last_end = seconds_per_run * runs + self.expected.later_seconds
        return max(0.0, after_last_end - (self.clock() - self._last_end))

    def describe(self) -> str:
        """Return ``34 of 87 runs, 1 minute left``, as far as it is known."""
        if self.total is None:
            return f"{number(self.ended, 'run')} so far" if self.ended else ""
        runs = f"{self.ended} of {number(self.total, 'run')}"
        left = self.seconds_left()
        if left is None:
            return runs
        if left < 1:
            return f"{runs}, nearly done"
        return f"{runs}, {duration(left)} left"


class _Status(ProgressColumn):
    """A column with the phase, the runs that have ended, the expected ones, and the time left, in
    one line of the terminal.
    """

    def __init__(self, work: Work, console: Console) -> None:
        super().__init__()
        self._work, self._console = work, console

    def render(self, task: Task) -> Text:
        status = self._work.describe()
        room = self._console.width - len(status) - 6
        title = Text(task.description)
        title.truncate(max(_LEAST_TITLE, room), overflow="ellipsis")
        return Text.assemble(title, (f"  {status}", "dim"))


class Drawing:
    """The display: a context manager that is called with events. If ``quiet``, it draws nothing; if
    ``logged``, it leaves the text of events to the log on the same console (``-v``).
    """

    def __init__(self, console: Console, quiet: bool = False, logged: bool = False):
        self._console, self._quiet, self._logged = console, quiet, logged
        self._mask = Mask()
        self._live = console.is_terminal and not quiet
        self._work = Work()
        self._bar = Progress(
            SpinnerColumn(), _Status(self._work, console), console=console, transient=True
        )
        self._task = self._bar.add_task("Starting", total=None)
        self._printed_share = 0
        self._printed_notice = self._printed_difference = False

    def __enter__(self) -> "Drawing":
        if self._live:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live:
            self._bar.stop()

    def __call__(self, event: Event) -> None:
        if self._quiet:
            return
        match event:
            case Expected():
                self._work.expect(event)
            case Notice():
                self._tell(event.text)
                self._printed_notice = True
            case Differing() if not self._printed_difference:
                self._printed_difference = True
                self._tell(event.text, "bold yellow")
            case Phase():
                self._show_phase(event)
            case TrialEnded() | ScriptEnded():
                self._count(event)
            case Decided() if not self._live:
                self._tell(f"{event.source}: {event.verdict}")

    def _show_phase(self, event: Phase) -> None:
        if self._live:
            self._bar.update(self._task, description=self._harmless(event.title))
        elif self._printed_notice:  # the first line says what will be run, and how long it takes
            self._tell(event.title)

    def _count(self, event: TrialEnded | ScriptEnded) -> None:
        self._work.count(event)
        total = self._work.total
        share = self._work.ended * _SHARES // total if total else 0
        if not self._live and share > self._printed_share:
            self._printed_share = share
            self._print(self._work.describe())

    def _tell(self, text: str, style: str = "") -> None:
        if not self._logged:
            self._print(text, style)

    def _harmless(self, text: str) -> str:
        """Return a text with names of files and variables, which may have any characters and
        contain secrets.
        """
        return visible_line(self._mask(text))

    def _print(self, text: str, style: str = "") -> None:
        self._console.print(
            self._harmless(text),
            style=style,
            highlight=False,
            markup=False,
            soft_wrap=not self._console.is_terminal,
        )

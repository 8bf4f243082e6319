"""The progress display of an audit: one live line on a terminal, plain lines in a pipe."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
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

#: In a pipe, one line is printed per this share of the runs.
_SHARE = 10
_LEAST_TITLE = 10  # at least this many characters of a phase are shown, even on a narrow terminal


@dataclass
class Work:
    """The number of completed runs, of expected runs, and the time left, from the events so far.

    The time left comes from the forecast until two runs have ended after it; then from the time
    that those took, for each remaining run.
    """

    clock: Callable[[], float] = time.monotonic
    trials: int = 0
    scripts: int = 0
    expected: Expected | None = None
    known: int = 0
    _began: float = 0.0
    _done_before: int = 0
    _last: float = field(default=0.0)

    @property
    def done(self) -> int:
        return self.trials + self.scripts

    @property
    def total(self) -> int | None:
        """Return the expected number of runs; None if more runs have ended than were expected."""
        runs = max(self.expected.runs if self.expected is not None else 0, self.known)
        return runs if runs > self.done else None

    def expect(self, event: Expected) -> None:
        self.expected, self._began, self._last = event, self.clock(), self.clock()
        self._done_before = self.done

    def count(self, event: TrialEnded | ScriptEnded) -> None:
        if isinstance(event, TrialEnded):
            self.trials = event.done
            self.known = max(self.known, event.known + self.scripts)
        else:
            self.scripts += 1
        self._last = self.clock()

    def seconds_left(self) -> float | None:
        """Return the time left; None if it is unknown."""
        if self.expected is None or self.total is None:
            return None
        since = self.done - self._done_before
        if since < 2:
            return max(0.0, self.expected.seconds - (self.clock() - self._began))
        per_run = (self._last - self._began) / since
        runs = max(0, self.total - self.expected.later_runs - self.done)
        left = per_run * runs + self.expected.later_seconds - (self.clock() - self._last)
        return max(0.0, left)

    def describe(self) -> str:
        """Return ``34 of 87 runs, 1 minute left``, as far as it is known."""
        if not self.done and self.total is None:
            return ""
        if self.total is None:
            return f"{number(self.done, 'run')} so far"
        left = self.seconds_left()
        shown = f"{self.done} of {number(self.total, 'run')}"
        if left is None:
            return shown
        return f"{shown}, {f'{duration(left)} left' if left >= 1 else 'nearly done'}"


class _Status(ProgressColumn):
    """Return the phase, the completed and expected runs, and the time left, in one line of the
    terminal.
    """

    max_refresh = None

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
        self._printed_share, self._printed_difference, self._printed_work = 0, False, False

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
                self._printed_work = True
            case Differing() if not self._printed_difference:
                self._printed_difference = True
                self._tell(event.text, "bold yellow")
            case Phase():
                self._phase(event)
            case TrialEnded() | ScriptEnded():
                self._ended(event)
            case Decided() if not self._live:
                self._tell(f"{event.source}: {event.verdict}")

    def _phase(self, event: Phase) -> None:
        if self._live:
            self._bar.update(self._task, description=self._harmless(event.title))
        elif self._printed_work:  # the first line says what is done and how long it will take
            self._tell(event.title)

    def _ended(self, event: TrialEnded | ScriptEnded) -> None:
        self._work.count(event)
        total = self._work.total
        share = self._work.done * _SHARE // total if total else 0
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

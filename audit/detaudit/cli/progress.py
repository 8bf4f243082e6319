"""Drawing the events of an audit: a bar with the time left on a terminal, plain lines in a pipe."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from detaudit.core.events import Decided, Event, Expected, Phase, Told, TrialEnded
from detaudit.report.escape import visible_line

#: In a pipe, one line for this share of the trials.
_SHARE = 10


def told(expected: Expected) -> str:
    """The first line of a long command: how much work it is and how long it should take."""
    return (
        f"{expected.trials} trials in {expected.environments} environments, about "
        f"{duration(expected.seconds)} on this machine"
    )


def duration(seconds: float) -> str:
    """``50 s`` or ``4 min``."""
    return f"{round(seconds, -1):.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


class Drawing:
    """A context manager; call it with events. ``quiet`` draws nothing but keeps the interface.

    ``searching``: nobody knows how many trials it will take, so they are counted, and no time left
    is told.
    """

    def __init__(self, console: Console, quiet: bool = False, searching: bool = False):
        self._console, self._quiet, self._searching = console, quiet, searching
        self._live = console.is_terminal and not quiet
        counted = (
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("trials,"),
            TimeRemainingColumn(),
            TextColumn("left"),
        )
        open_ended = (TextColumn("runs so far: {task.completed},"), TimeElapsedColumn())
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            *(open_ended if searching else counted),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("Starting", total=None)
        self._known, self._told, self._began = 0, 0, time.monotonic()

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
        if isinstance(event, Expected):
            self._print(told(event))
            self._known = event.trials
            self._bar.update(self._task, total=event.trials)
        elif isinstance(event, Told):
            self._print(event.text)
        elif isinstance(event, Phase):
            self._phase(event)
        elif isinstance(event, TrialEnded):
            self._trial(event)
        elif isinstance(event, Decided) and not self._live:
            self._print(f"{event.source}: {event.verdict}")

    def _phase(self, event: Phase) -> None:
        if self._live:
            self._bar.update(self._task, description=visible_line(event.title))
        elif self._known or self._searching:  # the first line says how long it will take
            self._print(event.title)

    def _trial(self, event: TrialEnded) -> None:
        self._known = max(self._known, event.known)
        self._bar.update(self._task, completed=event.done, total=self._known)
        share = event.done * _SHARE // self._known
        if not self._live and not self._searching and share > self._told:
            self._told = share
            self._print(
                f"{event.done} of {self._known} trials, {time.monotonic() - self._began:.0f} s"
            )

    def _print(self, text: str) -> None:
        """Names of files and of sources stand in it, whatever their characters."""
        self._console.print(
            visible_line(text),
            highlight=False,
            markup=False,
            soft_wrap=not self._console.is_terminal,
        )

"""The case that ``detaudit run`` investigates, as a value that its experiments share."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from detaudit_probes.declare import Pin, Source

from detaudit.commands.run.findings import RunAudit
from detaudit.commands.run.repeat import MOST
from detaudit.commands.run.search import Pins
from detaudit.core.condition import Condition, Trial
from detaudit.core.events import Emit
from detaudit.core.experiment import Finished
from detaudit.execution.program.forks import NO_FORKS, Forks
from detaudit.execution.program.program import Program


@dataclass(frozen=True)
class Case:
    """The case: a program's condition with nothing pinned, and what could be pinned.

    ``sources`` are those that a script can have, ``pins`` the ids that are tried, cheap and
    specific ones first. ``alone`` is called when trials must not run side by side; ``changed``
    returns the files that the program changes. ``known_so_far`` gets the findings that remain valid
    if the investigation ends early. ``depth`` is how far a divergence is traced: to the ``step``,
    the ``tensor``, the ``layer`` or the ``op``. ``cost`` says whether pins are timed; None: only if
    a run is short. ``backend`` is what the script trains with, if it is known. ``pairs`` is the
    number that the user requested; of a condition that differs rarely, at most ``most`` pairs are
    run. ``search`` says whether causes are searched for. ``runs`` returns the number of runs so
    far, ``jobs`` how many are made at a time, ``spent`` the seconds since the audit began, of the
    ``budget`` that the user allows. A trial of the search ends after ``cut`` steps (None: at the
    program's own end), and may be one of ``forks``; none is ended early unless ``end_early``.
    ``started`` is the script of the judged process, if the program starts several; ``has_workers``
    says whether processes are not recorded.
    ``expect`` announces how long another search takes, whose trials end after so many steps.
    """

    program: Program
    unpinned: Condition
    known: dict[str, Pin]
    sources: tuple[Source, ...]
    pins: Pins
    pairs: int | None
    emit: Emit
    alone: Callable[[], None]
    changed: Callable[[], tuple[str, ...]]
    known_so_far: Callable[[RunAudit], None] = lambda audit: None
    depth: str = "op"
    cost: bool | None = None
    backend: str = ""
    search: bool = True
    most: int = MOST
    runs: Callable[[], int] = lambda: 0
    jobs: Callable[[], int] = lambda: 1
    spent: Callable[[], float] = lambda: 0.0
    budget: float | None = None
    cut: int | None = None
    end_early: bool = True
    started: str | None = None
    has_workers: bool = False
    forks: Forks = NO_FORKS
    expect: Callable[[int | None], None] = lambda steps: None

    def pinned(self, pins: Sequence[str]) -> Condition:
        condition = self.unpinned
        # One condition for each set of pins: its runs are shared
        for name in sorted(pins, key=self.pins.index):
            condition = condition.with_pin(self.known[name])
        return condition

    def short(self, condition: Condition) -> Condition:
        """Return the condition of runs that are ended behind the divergence that is searched."""
        return condition if self.cut is None else self.ended_after(condition, self.cut)

    def ended_after(self, condition: Condition, steps: int) -> Condition:
        """Return the condition of runs that are ended after so many steps, if they may be."""
        if not self.end_early:
            return condition
        return condition.with_orders(stop_steps=steps, private=True)

    def compared(self, condition: Condition) -> Condition:
        """Return the condition of pairs of which only one thing matters, whether they match: both
        runs are ended once they differ, if they may be.
        """
        if not self.end_early:
            return condition
        return condition.with_orders(stop_differing=True, private=True)

    def asked(self, pins: Sequence[str], free: Sequence[str] = ()) -> Condition:
        """Return the condition of a question of the search: short runs with these pins, forked if
        they may be. No draw may be shared by several of them: not if a source of the pins ``free``
        acts once, when a process starts.
        """
        condition = self.short(self.pinned(pins))
        shared = any(self.at_start(pin) for pin in free)
        return condition.with_orders(forked=self.forks.want() and not shared)

    def at_start(self, pin: str) -> bool:
        script = self.of_pin(pin).script
        return script is not None and script.at_start

    def of_pin(self, pin: str) -> Source:
        return next(
            source
            for source in self.sources
            if source.script is not None and source.script.pin == pin
        )


Investigation = Generator[Sequence[Trial], dict[Trial, Finished], RunAudit]

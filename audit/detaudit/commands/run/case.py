"""What ``detaudit run`` investigates, as a value that its experiments share."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from detaudit_probes.declare import Pin, Source

from detaudit.commands.run.findings import RunAudit
from detaudit.commands.run.program import Program
from detaudit.commands.run.repeat import MOST
from detaudit.commands.run.search import Pins
from detaudit.core.condition import Condition, Trial
from detaudit.core.events import Emit
from detaudit.core.experiment import Finished


@dataclass(frozen=True)
class Case:
    """What is investigated: a program's condition with nothing pinned, and what could be.

    ``sources`` are those that a script can have, ``pins`` the ids that are tried, cheap and
    specific ones first. ``alone`` is called where trials must not run side by side; ``changed``
    tells the files that the program changes. ``known_so_far`` is told what stands if the
    investigation ends before its end. ``depth`` is how far a divergence is followed: to the
    ``step``, the ``tensor``, the ``layer`` or the ``op``. ``cost`` says whether pins are timed;
    None: where a run is short. ``backend`` is the Keras backend that the script takes. ``pairs``
    are those that the user asked for; of a condition that differs rarely, at ``most`` so many are
    run. ``search`` says whether causes are looked for. ``runs`` tells how many runs there are by
    now, ``jobs`` how many are made at a time.
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
    backend: str = "tensorflow"
    search: bool = True
    most: int = MOST
    runs: Callable[[], int] = lambda: 0
    jobs: Callable[[], int] = lambda: 1

    def pinned(self, pins: Sequence[str]) -> Condition:
        condition = self.unpinned
        # One set, one condition: its runs are shared
        for name in sorted(pins, key=self.pins.index):
            condition = condition.with_pin(self.known[name])
        return condition

    def of_pin(self, pin: str) -> Source:
        return next(
            source
            for source in self.sources
            if source.script is not None and source.script.pin == pin
        )


Investigation = Generator[Sequence[Trial], dict[Trial, Finished], RunAudit]

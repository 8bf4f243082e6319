"""How far a program's results are apart by each source: one is as the program leaves it, the others
are pinned.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from detaudit_probes import sources
from detaudit_probes.declare import InScript, Pin, Source
from detaudit_probes.sources import MAY_FAIL

from detaudit.commands.spread.findings import Row
from detaudit.commands.spread.summary import Results, churn, identical, metrics_of
from detaudit.core.condition import Condition, Trial
from detaudit.core.counting import SIGNIFICANT, fisher
from detaudit.core.divergence import IGNORED, Divergence
from detaudit.core.experiment import Experiment, Finished
from detaudit.core.statistics import spread_power
from detaudit.core.tally import compare_finished
from detaudit.registry import base

NOTHING, EVERYTHING = "nothing", "everything"
LEAST = 3  # runs that show whether a source acts at all, but for a race
LEAST_RUNS = 5  # with fewer, chance explains everything beside as many pinned runs
RATIO, MOST_SIMULATED = 2.0, 100  # of two standard deviations; runs of a simulated case


@dataclass(frozen=True)
class _Free:
    """The condition in which the sources of a row are free, and how many runs it has so far."""

    sources: str
    condition: Condition
    is_race: bool = False

    def trials(self, runs: int, first: int = 0) -> list[Trial]:
        return [Trial(self.condition, number) for number in range(first, runs)]


def rows(
    as_it_is: Condition, pins: Sequence[str], runs: int, read: Results
) -> Experiment[tuple[Row, ...]]:
    """Return a row for each source that a run of the program uses, one for everything pinned, and
    one for nothing pinned.

    A few runs show whether a source acts at all: only if they differ, or if it is a race, as many
    are made as are wanted. If runs with everything pinned differ, there is only that row.
    """
    known = {pin.id: pin for source in base.script_sources().values() for pin in source.pins}
    as_ever = _Free(EVERYTHING, as_it_is)
    found = dict((yield as_ever.trials(1)))
    used = _used(found[as_ever.trials(1)[0]])
    pinned = yield from _all_pinned(as_it_is, [pin for pin in pins if pin in used], known)
    control = _Free(NOTHING, _pinned(as_it_is, pinned, known))
    found.update((yield control.trials(runs)))
    nothing = row_of(NOTHING, runs, [found[trial] for trial in control.trials(runs)], read)
    if nothing.identical < runs:
        return (nothing,)
    free = [_free(as_it_is, pin, pinned, known) for pin in pinned]
    found.update((yield [trial for one in free for trial in one.trials(LEAST)]))
    wanted = {
        one.sources: runs
        if one.is_race or not _alike([found[trial] for trial in one.trials(LEAST)], read)
        else LEAST
        for one in free
    }
    rest = [trial for one in free for trial in one.trials(wanted[one.sources], LEAST)]
    found.update((yield [*rest, *as_ever.trials(runs, 1)]))
    wanted[EVERYTHING] = runs
    return (
        nothing,
        *(
            judged(
                row_of(one.sources, wanted[one.sources], _runs(one, wanted, found), read), nothing
            )
            for one in (*free, as_ever)
        ),
    )


def power(runs: int) -> float | None:
    """Return in what share of simulated cases so many runs find that one standard deviation is
    twice another; None for a number of runs of which too few or too many would be simulated.
    """
    if not LEAST_RUNS <= runs <= MOST_SIMULATED:
        return None
    return spread_power(runs, RATIO, np.random.default_rng(1))


def _free(as_it_is: Condition, pin: str, pinned: Sequence[str], known: Mapping[str, Pin]) -> _Free:
    others = [one for one in pinned if not _reaches(one, pin, known)]
    condition = _pinned(as_it_is, others, known)
    return _Free(_freed(pin, pinned, known), condition, _in_script(pin).race)


def _runs(one: _Free, wanted: Mapping[str, int], found: Mapping[Trial, Finished]) -> list[Finished]:
    return [found[trial] for trial in one.trials(wanted[one.sources])]


def judged(row: Row, control: Row) -> Row:
    """Return the row with whether its source acts: its runs differ, those of the control do not,
    and that is no chance.
    """
    chance = fisher(row.runs - row.identical, row.runs, 0, control.runs)
    return replace(row, acts=row.identical < row.runs and chance < SIGNIFICANT)


def _all_pinned(
    as_it_is: Condition, pins: Sequence[str], known: Mapping[str, Pin]
) -> Experiment[list[str]]:
    """Return the pins with which the program completes: those that may make a program fail are left
    out if it does.
    """
    trial = Trial(_pinned(as_it_is, pins, known), 0)
    found = yield [trial]
    if found[trial].outcome.completed:
        return list(pins)
    return [pin for pin in pins if pin not in MAY_FAIL]


def _pinned(condition: Condition, pins: Sequence[str], known: Mapping[str, Pin]) -> Condition:
    for pin in pins:
        condition = condition.with_pin(known[pin])
    return condition


def _freed(pin: str, pins: Sequence[str], known: Mapping[str, Pin]) -> str:
    """Return the sources that are free in the row of a pin: its own, and those of pins that would
    pin it too.
    """
    others = [one for one in pins if one != pin and _reaches(one, pin, known)]
    return " with ".join(_source_of(one).id for one in (pin, *others))


def _reaches(one: str, pin: str, known: Mapping[str, Pin]) -> bool:
    """Whether a pin fixes the source of another."""
    source = _source_of(pin).id
    return one == pin or source in known[one].sources or source in _in_script(one).reaches


def _used(run: Finished) -> set[str]:
    """Return the pins of the sources that a run used, or of which that cannot be known."""
    evidence = run.trace.evidence if run.trace is not None else {}
    return {
        pin
        for pin in sources.SCRIPT_PINS
        if not _in_script(pin).counted or evidence.get(_source_of(pin).id)
    }


def _source_of(pin: str) -> Source:
    every = base.script_sources().values()
    return next(one for one in every if one.script is not None and one.script.pin == pin)


def _in_script(pin: str) -> InScript:
    script = _source_of(pin).script
    assert script is not None
    return script


def _alike(runs: Sequence[Finished], read: Results) -> bool:
    completed = [run for run in runs if run.outcome.completed]
    return len(completed) == len(runs) == identical(completed, read)


def row_of(free: str, wanted: int, runs: Sequence[Finished], read: Results) -> Row:
    """Return what the runs showed in which only these sources are free."""
    completed = [run for run in runs if run.outcome.completed and run.trace is not None]
    # A run that is not recorded has no steps to compare
    alike = [one for one in completed if _is_recorded(one) == _is_recorded(completed[0])]
    compared = [compare_finished(alike[0], other, IGNORED) for other in alike[1:]]
    differing = [one for one in compared if isinstance(one, Divergence)]
    return Row(
        free,
        wanted,
        len(completed),
        identical(completed, read),
        divergence=min(differing, key=lambda one: one.step or 0, default=None),
        metrics=metrics_of(completed, 1, read),
        churn=churn(completed),
    )


def _is_recorded(run: Finished) -> bool:
    return run.trial.condition.orders.record

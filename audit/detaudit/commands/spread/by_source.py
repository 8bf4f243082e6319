"""How far a program's results are apart by each source: one is as the program leaves it, the others
are pinned.
"""

from collections.abc import Mapping, Sequence

from detaudit_probes import sources
from detaudit_probes.declare import InScript, Pin, Source
from detaudit_probes.sources import MAY_FAIL

from detaudit.commands.spread.findings import Row
from detaudit.commands.spread.summary import Results, identical, metrics_of
from detaudit.core.condition import Condition, Trial
from detaudit.core.divergence import IGNORED, Divergence
from detaudit.core.experiment import Experiment, Finished
from detaudit.core.tally import compare_finished
from detaudit.registry import base

NOTHING, EVERYTHING = "nothing", "everything"
LEAST = 2


def rows(
    as_it_is: Condition, pins: Sequence[str], runs: int, read: Results
) -> Experiment[tuple[Row, ...]]:
    """Return a row for each source that a run of the program uses, one for everything pinned, and
    one for nothing pinned.

    Two runs show whether a source acts at all: only if they differ, or if it is a race, as many are
    made as are wanted. Without runs that match with everything pinned, there is only that row.
    """
    known = {pin.id: pin for source in base.script_sources().values() for pin in source.pins}
    found = yield [Trial(as_it_is, 0)]
    used = _used(found[Trial(as_it_is, 0)])
    pinned, first = yield from _all_pinned(as_it_is, [pin for pin in pins if pin in used], known)
    control = _row(NOTHING, first, read)
    if control.identical < LEAST:
        return (control,)
    free = {
        pin: _pinned(as_it_is, [one for one in pinned if not _reaches(one, pin, known)], known)
        for pin in pinned
    }
    tried = {
        pin: [Trial(condition, number) for number in range(LEAST)]
        for pin, condition in free.items()
    }
    found = yield [trial for trials in tried.values() for trial in trials]
    acting = {
        pin: trials
        for pin, trials in tried.items()
        if _in_script(pin).race or not _alike([found[trial] for trial in trials], read)
    }
    more = {pin: [Trial(free[pin], number) for number in range(LEAST, runs)] for pin in acting}
    as_ever = [Trial(as_it_is, number) for number in range(runs)]
    rest = yield [*(trial for trials in more.values() for trial in trials), *as_ever]
    return (
        control,
        *(
            _row(
                _freed(pin, pinned, known),
                [found[trial] for trial in trials] + [rest[trial] for trial in more.get(pin, ())],
                read,
            )
            for pin, trials in tried.items()
        ),
        _row(EVERYTHING, [rest[trial] for trial in as_ever], read),
    )


def _all_pinned(
    as_it_is: Condition, pins: Sequence[str], known: Mapping[str, Pin]
) -> Experiment[tuple[list[str], list[Finished]]]:
    """Return the pins with which the program completes, and two runs with them: those that may make
    a program fail are left out if it does.
    """
    done: list[Finished] = []
    for chosen in (list(pins), [pin for pin in pins if pin not in MAY_FAIL]):
        condition = _pinned(as_it_is, chosen, known)
        trials = [Trial(condition, number) for number in range(LEAST)]
        found = yield trials
        done = [found[trial] for trial in trials]
        if all(run.outcome.completed for run in done):
            return chosen, done
    return [], done


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


def _row(free: str, runs: Sequence[Finished], read: Results) -> Row:
    """Return what runs with only this source unpinned showed."""
    completed = [run for run in runs if run.outcome.completed and run.trace is not None]
    place = None
    if completed:
        compared = (compare_finished(completed[0], other, IGNORED) for other in completed[1:])
        differing = [one for one in compared if isinstance(one, Divergence)]
        place = min(differing, key=lambda one: one.step or 0, default=None)
    return Row(
        free,
        len(completed),
        identical(completed, read),
        place,
        metrics_of(completed, 1, read),
    )

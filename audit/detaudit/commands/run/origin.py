"""The origin of the first divergence: whether the inputs of the step already differed, or the step
computed a different result.
"""

import math
from collections.abc import Sequence

import numpy as np
from detaudit_probes import protocol

from detaudit.commands.run.repeat import first_differing_pair
from detaudit.core.divergence import DATA_OF_FITS, Divergence, aligned
from detaudit.core.experiment import Finished
from detaudit.core.trace import Table, Trace
from detaudit.registry import base

#: The sources that are generators of the process, by the recorder's names for their states
#: ("random at fit").
GENERATORS = {
    source.trace_name: source for source in base.script_sources().values() if source.trace_name
}


def origin(done: Sequence[Finished]) -> str:
    """Return one sentence on the first pair of runs that differ; an empty one if none differs or
    the origin is unknown.
    """
    found = _first(done)
    if found is None or found[0].kind == "missing":
        return ""
    divergence, left, right = found
    if left.side_by_side or right.side_by_side:
        return (
            "several threads train at the same time, so its steps have no order: the weights at exit, and what the "
            "script prints and saves, were compared"
        )
    if divergence.stage == "output":
        for one in left.measures.learned:
            if divergence.name.startswith(f"{one.name}, "):
                phase, _, number = one.name.rpartition(" ")
                before = (
                    "so are all arrays that were fitted, and the numbers of every fit before it"
                )
                return _origin_of_fit(left, right, phase, int(number), before)
        if left.trained:
            return "every recorded step of the training is equal, but what the script saves differs"
        return "no training step was observed: what the script prints and saves was compared"
    fit = _fit_row(left, divergence)
    if fit is not None:
        table, row = fit
        before = "so are the arrays of every fit before it"
        return _origin_of_fit(left, right, table.phase, int(table.step[row]), before)
    if divergence.stage == "data":
        return "the batches of this step already differed"
    if divergence.stage == "forward" and divergence.name.startswith(protocol.ARGUMENT):
        return "what another function of the script computed already differed"
    if divergence.stage == "init":
        return "the variable differed before its first step"
    table = step_table(left, divergence)
    if table is None or not any(stage == "data" for stage, _ in table.columns):
        return "everything that was recorded before it is equal; the batches were not recorded"
    differing, untouched = _differing(left, right, divergence)
    if not table.name.startswith("fit"):
        # The script itself may have changed a weight in between
        state = f"; the state of {_listed(differing)} differed" if differing else ""
        return f"the batches of this step were equal, and so were the weights after the step before{state}"
    if differing:
        return f"the batches and the weights were equal, but the state of {_listed(differing)} already differed"
    if untouched:
        return (
            f"the difference originates here: the batches and the weights were equal before, but not the "
            f"state of {_listed(untouched)}, which nothing had used until then"
        )
    return (
        "the difference originates here: the batches, the weights and the generators of Python, NumPy and Keras "
        "were equal before"
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(GENERATORS[name].title if name in GENERATORS else name for name in names[:3])


def suspects(done: Sequence[Finished]) -> set[str]:
    """Return sources that the runs themselves indicate: they are asked about first, nothing more.

    These are generators that were in different states before the divergence, if the script used
    them, and sources that were used other than by an installed module during its import.
    """
    used = {name for one in done if one.trace is not None for name in one.trace.measures.used}
    found = _first(done)
    if found is None:
        return used
    divergence, left, right = found
    differing, untouched = _differing(left, right, divergence)
    # A script without a framework records a generator's state only at its end
    differing += [
        name for name in untouched if name in GENERATORS and left.evidence.get(GENERATORS[name].id)
    ]
    return used | {source.id for word, source in GENERATORS.items() if word in differing}


def _first(done: Sequence[Finished]) -> tuple[Divergence, Trace, Trace] | None:
    found = first_differing_pair(done)
    if found is None or found[1].trace is None or found[2].trace is None:
        return None
    return found[0], found[1].trace, aligned(found[1].trace, found[2].trace)


def _differing(left: Trace, right: Trace, found: Divergence) -> tuple[list[str], list[str]]:
    """Return the generators whose last state before the divergence differs: first those that were
    drawn from or seeded by then, then the others.

    Python, NumPy and Torch give every process a different initial state: that alone makes no
    difference, except to code that draws from it in this very step.
    """
    before = place(left, right, found)
    lefts, rights = _states(left, before), _states(right, before)
    differing: list[str] = []
    untouched: list[str] = []
    for name, states in lefts.items():
        others = rights.get(name, [])
        still = name in GENERATORS and len({*states}) == 1 and len({*others}) == 1
        if others and states[-1] != others[-1]:
            (untouched if still else differing).append(name)
    return differing, untouched


def _states(trace: Trace, before: float) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for event in trace.events("rng"):
        if event.sequence < before:
            word = event.name.partition(" at ")[0]
            name = word if word in GENERATORS else event.name
            found.setdefault(name, []).append(event.fingerprint)
    return found


def step_table(trace: Trace, found: Divergence) -> Table | None:
    """Return the step table that contains the divergence."""
    return next(
        (
            table
            for table in trace.step_tables
            if found.step is not None
            and (found.stage, found.name) in table.columns
            and found.step in table.step
        ),
        None,
    )


def _origin_of_fit(left: Trace, right: Trace, phase: str, number: int, before: str) -> str:
    """Return whether the data of a fit differed; ``before`` says what is equal beside it."""
    mine, theirs = (_data_of_fit(trace, phase, number) for trace in (left, right))
    if not mine or not theirs:
        return before.removeprefix("so are ") + " are equal"
    if mine != theirs:
        return "the data of this fit already differed"
    return f"the data of this fit was equal, and {before}"


def _data_of_fit(trace: Trace, phase: str, number: int) -> dict[str, int]:
    """Return the fingerprints of the data of a fit, by their names."""
    return {
        name: int(cell)
        for table in trace.tables
        if table.kind == DATA_OF_FITS and table.phase == protocol.DATA_OF + phase
        for cells in table.cells[table.step == number]
        for (_, name), cell in zip(table.columns, cells, strict=True)
    }


def _fit_row(trace: Trace, found: Divergence) -> tuple[Table, int] | None:
    """Return the table of fits that contains the divergence, and the row there."""
    for table in trace.tables if found.step is None else ():
        if table.kind == "fits" and found.name.startswith(f"{table.phase} "):
            for row, cell in np.ndindex(table.cells.shape):
                if table.label(row, cell) == (found.stage, found.name):
                    return table, row
    return None


def place(left: Trace, right: Trace, found: Divergence) -> float:
    """Return the place of the divergence in the left trace's causal order; infinity if the left
    trace does not contain it. The names of ``right`` are those of ``left``.
    """
    table = step_table(left, found)
    if table is not None:
        return int(table.sequence[table.step == found.step][0])
    fit = _fit_row(left, found)
    if fit is not None:
        return int(fit[0].sequence[fit[1]])
    lefts, rights = (trace.events(found.stage, found.name) for trace in (left, right))
    return next(
        (
            event.sequence
            for event, other in zip(lefts, rights, strict=False)
            if event.fingerprint != other.fingerprint
        ),
        math.inf,
    )

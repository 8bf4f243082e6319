"""The matrix of generators and components: which generator decides the initial weights, dropout,
the shuffle ...?
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from detaudit_probes.declare import Pin, Source

from detaudit.commands.scan.findings import Cell
from detaudit.core.condition import Condition, pair
from detaudit.core.divergence import IGNORED, Incomparable, Match
from detaudit.core.experiment import Experiment, Finished
from detaudit.core.tally import compare_finished


def matrix(
    base: Condition,
    known: Mapping[str, Pin],
    sources: Mapping[str, Source],
    components: Sequence[str] = (),
    generators: Sequence[str] = (),
) -> Experiment[tuple[Cell, ...]]:
    """Run one pair per cell, with everything pinned but that generator, and one pair per component
    with everything pinned.

    ``components`` and ``generators`` are by default all that are ``sources`` of this backend. A
    generator is reseeded from the operating system in each trial, so one matching pair shows that
    the component does not draw from it.
    """
    components = components or [name for name, source in sources.items() if source.component]
    generators = generators or [name for name, source in sources.items() if source.seeders]
    baseline = {component: _condition(base, sources[component], ()) for component in components}
    cells = {
        (component, generator): _condition(
            base.without((generator,), known), sources[component], (generator,)
        )
        for component in components
        for generator in generators
    }
    asked = {condition: pair(condition, 0) for condition in (*baseline.values(), *cells.values())}
    found = yield [trial for one in asked.values() for trial in one]

    def look(condition: Condition) -> tuple[Finished, Finished]:
        left, right = asked[condition]
        return found[left], found[right]

    return tuple(
        _cell(component, generator, look(baseline[component]), look(condition))
        for (component, generator), condition in cells.items()
    )


def _condition(base: Condition, source: Source, unpinned: tuple[str, ...]) -> Condition:
    plan = source.experiment
    return replace(
        base,
        model=plan.models[0],
        unpinned=unpinned,
        feed=source.id if plan.feed else None,
        procedure=source.id if plan.procedure else None,
    )


def _cell(
    component: str,
    generator: str,
    baseline: tuple[Finished, Finished],
    unpinned: tuple[Finished, Finished],
) -> Cell:
    trials = tuple(one.number for one in (*baseline, *unpinned))
    pinned, free = (compare_finished(*both, ignore=IGNORED) for both in (baseline, unpinned))
    for compared in (pinned, free):
        if isinstance(compared, Incomparable):
            return Cell(component, generator, None, compared.reason, trials)
    if not isinstance(pinned, Match):
        return Cell(component, generator, None, "differs with every generator pinned", trials)
    decides = not isinstance(free, Match)
    reason = "unpinned, the pair differs" if decides else "unpinned, the pair still matches"
    return Cell(component, generator, decides, reason, trials)

"""Reach: how far equal bits extend, from the same process to another device, with everything else
pinned.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from detaudit_probes.declare import ORDER, Compare, Pin, Source

from detaudit.commands.scan.experiments.compare import condition_of
from detaudit.commands.scan.findings import Level
from detaudit.core.condition import Condition, Trial, pair, varied
from detaudit.core.divergence import IGNORED, Comparison, Divergence, Match
from detaudit.core.experiment import Experiment, Finished, Found
from detaudit.core.tally import compare_finals, compare_finished


@dataclass(frozen=True)
class Step:
    """A level to try: on each model, the variant should give the bits of the reference.

    ``pairs`` are (model, reference, variant); an empty tuple with a ``reason`` says why it is not
    tried.
    """

    id: str
    title: str
    pairs: tuple[tuple[str, Trial, Trial], ...] = ()
    reason: str = ""
    by_end: bool = False  # two procedures: their final values are compared


def steps(
    base: Condition,
    known: Mapping[str, Pin],
    sources: Mapping[str, Source],
    models: Sequence[str],
    gpus: int,
) -> tuple[Step, ...]:
    """Return the levels, from the nearest to the farthest."""
    fresh = tuple((model, *pair(replace(base, model=model), 0)) for model in models)
    found = (
        _procedure(base, known, sources.get("second-fit")),
        Step("fresh-process", "another process", fresh),
        Step(
            "hash-seed-and-order",
            "another hash seed and directory order",
            tuple(
                (model, left, Trial(_another_order(left.condition, sources), 1))
                for model, left, _ in fresh
            ),
        ),
        _varied(
            "thread-count",
            "another thread count",
            base,
            known,
            sources.get("intra-op-threads"),
            models,
        ),
        _varied(
            "instruction-set",
            "an older instruction set in oneDNN, XLA or ATen",
            base,
            known,
            sources.get("instruction-set"),
            models,
        ),
        _device(base, fresh, gpus),
    )
    return tuple(one for one in found if one is not None)


def _another_order(condition: Condition, sources: Mapping[str, Source]) -> Condition:
    """Return the condition with everything pinned, at the values of a second machine: another hash
    seed and other folders.
    """
    for source in sources.values():
        if source.family == ORDER and source.variation is not None:
            condition = varied(condition, source)
    return condition


def _procedure(base: Condition, known: Mapping[str, Pin], source: Source | None) -> Step | None:
    """Return the level of first fit and second fit in one process; None if the backend has no such
    source.
    """
    if source is None:
        return None
    plan = source.experiment
    assert isinstance(plan, Compare)
    conditions = [
        [condition_of(source, setting, model, base, known) for setting in plan.settings]
        for model in plan.models
    ]
    return Step(
        "same-process",
        "a second fit in the same process",
        tuple(
            (some[0].model, Trial(some[0], 0), Trial(other, 0))
            for some in conditions
            for other in some[1:2]
        ),
        by_end=True,
    )


def _varied(
    name: str,
    title: str,
    base: Condition,
    known: Mapping[str, Pin],
    source: Source | None,
    models: Sequence[str],
) -> Step | None:
    """Return the level of a source's settings against the base condition; None if the backend has
    no such source.
    """
    if source is None:
        return None
    plan = source.experiment
    assert isinstance(plan, Compare)
    tried = []
    for model in models:
        reference = Trial(replace(base, model=model), 0)
        for setting in plan.settings:
            condition = condition_of(source, setting, model, base, known)
            if condition.environment != base.environment or condition.options != base.options:
                tried.append((model, reference, Trial(condition, 0)))
    return Step(name, title, tuple(tried))


def _device(base: Condition, fresh: Sequence[tuple[str, Trial, Trial]], gpus: int) -> Step:
    title = "another device"
    if not gpus:
        return Step("device", title, reason="no GPU here")
    other = "cpu" if base.device != "cpu" else "gpu"
    return Step(
        "device",
        title,
        tuple(
            (model, left, Trial(replace(left.condition, device=other), 0))
            for model, left, _ in fresh
        ),
    )


def reach(levels: Sequence[Step]) -> Experiment[tuple[Level, ...]]:
    """Try every level on its models; a level matches if every model matches."""
    found = yield [
        trial for level in levels for _, left, right in level.pairs for trial in (left, right)
    ]
    return tuple(_level(level, found) for level in levels)


def _level(level: Step, found: Found) -> Level:
    if not level.pairs:
        return Level(level.id, level.title, None, level.reason)
    numbers = tuple(sorted({found[trial].number for _, *both in level.pairs for trial in both}))
    differing: dict[str, Divergence] = {}
    matching, problems = set(), []
    for model, left, right in level.pairs:
        same = _same(level, found[left], found[right])
        if isinstance(same, Divergence):
            differing.setdefault(model.removeprefix("source:"), same)
        elif isinstance(same, Match):
            matching.add(model.removeprefix("source:"))
        else:
            problems.append(same.reason)
    if differing:
        return Level(
            level.id,
            level.title,
            False,
            f"other bits on {', '.join(differing)}",
            next(iter(differing.values())),
            numbers,
        )
    if problems:
        return Level(level.id, level.title, None, problems[0], trials=numbers)
    return Level(
        level.id,
        level.title,
        True,
        f"the same bits on {', '.join(sorted(matching))}",
        trials=numbers,
    )


def _same(level: Step, a: Finished, b: Finished) -> Comparison:
    return compare_finals(a, b) if level.by_end else compare_finished(a, b, IGNORED)

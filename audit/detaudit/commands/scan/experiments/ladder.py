"""The recipe ladder: which of the known recipes works here, on every tiny model, with Keras'
defaults?
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from detaudit_probes.declare import Pin

from detaudit.commands.scan.experiments.unpin import RACE_PAIRS
from detaudit.commands.scan.findings import Recipe, Rung
from detaudit.core.condition import Condition, pairs
from detaudit.core.counting import excluded_rate
from detaudit.core.divergence import IGNORED
from detaudit.core.experiment import Experiment, Finished, Found
from detaudit.core.sentences import share
from detaudit.core.tally import Tally, tally
from detaudit.registry import recipes
from detaudit.registry.recipes import Known

#: The model whose sparse update is a race: a match on it needs as many pairs as a race.
RACING_MODEL = "text"

Key = tuple[str, str]  # (rung id, model)
Conditions = dict[Key, Condition]
Tallies = Mapping[Key, Tally]


def ladder(
    base: Condition, known: Mapping[str, Pin], models: Sequence[str], wanted: int
) -> Experiment[tuple[Rung, ...]]:
    """Run one pair of every rung on every model, then more pairs of the weakest rung that matches
    everywhere.

    One differing pair is final for a rung, and for every weaker one, which pins less. If further
    pairs differ, the next rung gets the same number of pairs.
    """
    rungs = recipes.rungs(known)
    conditions = {
        (rung.id, model): recipes.condition(rung, base, known, model)
        for rung in rungs
        for model in models
    }
    found = yield [trial for one in conditions.values() for some in pairs(one, 1) for trial in some]
    counts = dict.fromkeys(conditions, 1)
    tallies = _tallies(conditions, found, counts)
    for rung in rungs:
        if not _matches_everywhere(tallies, rung.id) or _stronger_that_differs(
            rung, rungs, known, tallies
        ):
            continue
        counts.update({(rung.id, model): _count(model, wanted) for model in models})
        found = yield [
            trial
            for key, one in conditions.items()
            for some in pairs(one, counts[key])
            for trial in some
        ]
        tallies = _tallies(conditions, found, counts)
        if _matches_everywhere(tallies, rung.id):
            break
    tried = [
        _rung(rung, below, base, known, tallies, models, found)
        for below, rung in zip((rungs[0], *rungs), rungs, strict=False)
    ]
    return tuple(
        _pooled(one, _stronger_that_differs(rung, rungs, known, tallies))
        for rung, one in zip(rungs, tried, strict=True)
    )


def _stronger_that_differs(
    rung: Known, rungs: Sequence[Known], known: Mapping[str, Pin], tallies: Tallies
) -> Tally | None:
    """Return the evidence that a recipe which pins everything that this one pins, and more, does
    not work; None if there is none.
    """
    stronger = [
        other.id for other in rungs if other is not rung and recipes.includes(other, rung, known)
    ]
    return next(
        (tally for (other, _), tally in tallies.items() if other in stronger and tally.differing),
        None,
    )


def _pooled(rung: Rung, stronger: Tally | None) -> Rung:
    """Return the rung, judged with the results of a stronger one."""
    if rung.works is False or stronger is None:
        return rung
    return replace(
        rung,
        works=False,
        reason=(
            f"a stronger recipe does not work: {share(stronger.differing, stronger.pairs)} on "
            f"{stronger.condition.model}"
        ),
    )


def refuted(rungs: Sequence[Rung], proof: Recipe) -> tuple[Rung, ...]:
    """Return the rungs after a proof in which a pair differed: its recipe does not work."""
    return tuple(
        replace(rung, works=False, reason=proof.reason) if rung.id == proof.rung else rung
        for rung in rungs
    )


def _count(model: str, wanted: int) -> int:
    return max(wanted, RACE_PAIRS) if model == RACING_MODEL else wanted


def _tallies(conditions: Conditions, found: Found, counts: Mapping[Key, int]) -> Tallies:
    return {
        key: tally(one, pairs(one, counts[key]), found, IGNORED) for key, one in conditions.items()
    }


def _matches_everywhere(tallies: Tallies, rung: str) -> bool:
    return all(
        not one.differing and not one.problems
        for (whose, _), one in tallies.items()
        if whose == rung
    )


def _rung(
    rung: Known,
    below: Known,
    base: Condition,
    known: Mapping[str, Pin],
    tallies: Tallies,
    models: Sequence[str],
    found: Found,
) -> Rung:
    mine = [tallies[rung.id, model] for model in models]
    differing = [one for one in mine if one.differing]
    problems = [reason for one in mine for reason in (*one.problems, one.unavailable) if reason]
    works, reason = True, ""
    if differing:
        names = ", ".join(one.condition.model for one in differing)
        works, reason = False, f"runs differ on {names}"
    elif problems:
        works, reason = None, problems[0]
    else:
        least = min(one.matching for one in mine)
        reason = (
            f"no difference in {least} or more pairs per model (a rate above "
            f"{excluded_rate(least):.0%} is excluded)"
        )
    return Rung(
        id=rung.id,
        title=rung.title,
        lines=recipes.lines(rung, known, base.backend, base.seed),
        environment=recipes.environment(rung, known),
        works=works,
        reason=reason,
        counts=tuple(one.count(rung.id) for one in mine),
        changes=_changes(rung, below, tallies, models, found),
        trials=tuple(sorted({number for one in mine for number in one.trials})),
    )


def _changes(
    rung: Known, below: Known, tallies: Tallies, models: Sequence[str], found: Found
) -> tuple[str, ...]:
    """Return what else the rung changes, read from the traces: XLA, the shuffle, the values."""
    if rung.id == "none":
        return ()
    changes = []
    before, now = (_examples(tallies, found, whose, models) for whose in ("none", rung.id))
    lost = [
        model
        for model in before
        if model in now and _compiled(before[model]) and not _compiled(now[model])
    ]
    if lost:
        changes.append(f"XLA is switched off ({', '.join(lost)})")
    if any(
        _same_every_epoch(now[model]) and not _same_every_epoch(before[model])
        for model in before
        if model in now
    ):
        changes.append("fit shuffles in the same order in every epoch")
    changes += _other_values(rung, below, tallies, models, found)
    return tuple(changes)


def _examples(
    tallies: Tallies, found: Found, rung: str, models: Sequence[str]
) -> dict[str, Finished]:
    """Return one completed trial of the rung on each model."""
    examples = {}
    for model in models:
        condition = tallies[rung, model].condition
        done = [
            one
            for trial, one in found.items()
            if trial.condition == condition and one.outcome.completed
        ]
        if done:
            examples[model] = done[0]
    return examples


def _compiled(done: Finished) -> bool:
    return done.trace.evidence.get("xla", 0) > 0


def _same_every_epoch(done: Finished) -> bool:
    """Whether the first two epochs used the same batches in the same order, by the fingerprints."""
    tables = done.trace.step_tables
    epochs = done.trace.measures.epochs
    if not tables or epochs < 2:
        return False
    columns = [place for place, (stage, _) in enumerate(tables[0].columns) if stage == "data"]
    cells = tables[0].cells[:, columns]
    length = len(cells) // epochs
    return bool(columns) and length > 1 and (cells[:length] == cells[length : 2 * length]).all()


def _other_values(
    rung: Known, below: Known, tallies: Tallies, models: Sequence[str], found: Found
) -> list[str]:
    """Compare with the rung below, on models where the runs of both match: are the bits
    different?
    """
    before, now = (_examples(tallies, found, whose, models) for whose in (below.id, rung.id))
    steady = [
        model
        for model in before
        if model in now
        and not tallies[below.id, model].differing
        and not tallies[rung.id, model].differing
    ]
    moved = [model for model in steady if before[model].trace.final != now[model].trace.final]
    return [f"the values differ from those without it ({', '.join(moved)})"] if moved else []


def weakest(rungs: Sequence[Rung]) -> Rung | None:
    """Return the weakest rung that works, or None."""
    return next((rung for rung in rungs if rung.works), None)


def costs(rung: Rung, ratios: Sequence[float]) -> Rung:
    """Return the rung with its cost: the ratios of its step time to that of no recipe, one per
    alternation.
    """
    middle = sorted(ratios)[len(ratios) // 2] if ratios else None
    return replace(rung, cost=middle, cost_range=(min(ratios), max(ratios)) if ratios else None)

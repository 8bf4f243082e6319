"""Unpinned pairs against pinned pairs: does this source make runs differ, and does its pin prevent
it?

The two conditions differ only by the pin. The source is provoked in both, so a pin that works did
so against the same provocation that made the unpinned runs differ.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from detaudit_probes.declare import Pin, Source, Unpin

from detaudit.core.condition import Condition, Trial, device_of, pairs
from detaudit.core.counting import SIGNIFICANT, excluded_rate, fisher, pairs_needed
from detaudit.core.divergence import IGNORED
from detaudit.core.experiment import Experiment
from detaudit.core.sentences import differ, number, share
from detaudit.core.tally import Tally, tally
from detaudit.core.verdict import BROKEN, ERROR, NEEDS_PIN, REPRODUCIBLE, SKIPPED, Verdict

# Pairs of each condition; 5 of 5 against 0 of 5 has a Fisher p of 0.004, 4 against 0 one of 0.024
RACE_PAIRS = 5
MOST_PAIRS = 20  # a race that differs too rarely for a verdict after these is inconclusive


@dataclass(frozen=True)
class Arms:
    """The conditions of one model: unpinned, and with each of the tried pins, by pin id."""

    unpinned: Condition
    pinned: tuple[tuple[str, Condition], ...]


@dataclass(frozen=True)
class Observed:
    """The results of one model."""

    unpinned: Tally
    pinned: tuple[tuple[str, Tally], ...]


def arms(source: Source, model: str, base: Condition, known: Mapping[str, Pin]) -> Arms:
    """Return the conditions of the experiment on one model."""
    plan = source.experiment
    assert isinstance(plan, Unpin)
    unpinned = plan.unpins or (source.id,)
    start = (
        base.without(unpinned, known)
        .with_settings(plan.settings)
        .with_environment(plan.environment)
    )
    unpinned = replace(
        start,
        model=model,
        unpinned=unpinned,
        feed=source.id if plan.feed else None,
        procedure=source.id if plan.procedure else None,
        device=device_of(source, base),
    )
    tried = plan.pins or tuple(pin.id for pin in source.pins)
    return Arms(unpinned, tuple((name, unpinned.with_pin(known[name])) for name in tried))


def unpin(
    source: Source, base: Condition, known: Mapping[str, Pin], wanted: int
) -> Experiment[Verdict]:
    """Run ``wanted`` pairs of each condition, more for a race."""
    plan = source.experiment
    assert isinstance(plan, Unpin)
    tried = [arms(source, model, base, known) for model in plan.models]
    count = max(wanted, RACE_PAIRS) if plan.race else wanted
    while True:
        conditions = [
            one for arm in tried for one in (arm.unpinned, *(pinned for _, pinned in arm.pinned))
        ]
        asked = {condition: pairs(condition, count) for condition in conditions}
        found = yield [trial for some in asked.values() for one in some for trial in one]

        def look(
            condition: Condition, asked: dict = asked, found: Mapping[Trial, object] = found
        ) -> Tally:
            return tally(condition, asked[condition], found, IGNORED)

        observed = [
            Observed(look(arm.unpinned), tuple((name, look(pinned)) for name, pinned in arm.pinned))
            for arm in tried
        ]
        if not plan.race or not any(_rare(plan, one) for one in observed) or count >= MOST_PAIRS:
            return judge(source, observed)
        count = min(
            MOST_PAIRS, max(count + RACE_PAIRS, pairs_needed(max(_rate(one) for one in observed)))
        )


def _rate(observed: Observed) -> float:
    return max(observed.unpinned.differing / max(observed.unpinned.pairs, 1), 0.1)


def _rare(plan: Unpin, observed: Observed) -> bool:
    """Whether runs differed, but not often enough to distinguish a pin from chance: more pairs may
    do so.
    """
    if not observed.unpinned.differing or any(
        _works(plan, observed.unpinned, pinned) for _, pinned in observed.pinned
    ):
        return False
    return any(not pinned.differing and not pinned.problems for _, pinned in observed.pinned)


def shown(unpinned: Tally, pinned: Tally) -> bool:
    """Whether it is more than chance that a race differed here and not there."""
    return fisher(unpinned.differing, unpinned.pairs, pinned.differing, pinned.pairs) < SIGNIFICANT


def judge(source: Source, observed: list[Observed]) -> Verdict:
    """Return the verdict on a source from the results of every model."""
    plan = source.experiment
    assert isinstance(plan, Unpin)
    base = Verdict(
        source.id,
        ERROR,
        "",
        counts=_counts(observed),
        trials=tuple(
            sorted(
                {number for one in observed for pinned in _tallies(one) for number in pinned.trials}
            )
        ),
    )
    differing = [one for one in observed if one.unpinned.differing]
    if not differing:
        return _none_differ(source, observed, base)
    first = next((one for one in differing if _working(plan, one, observed)), differing[0])
    base = replace(base, divergence=first.unpinned.divergence)
    count = first.unpinned.differing
    where = f"{count} of {first.unpinned.pairs} unpinned pairs of {_name(first)} {differ(count)}"
    working = _working(plan, first, observed)
    if working:
        return replace(
            base,
            verdict=NEEDS_PIN,
            pin=working[0],
            other_pins=tuple(working[1:]),
            reason=f"{where}; with the pin, 0 of {dict(first.pinned)[working[0]].pairs}",
        )
    if not first.pinned:
        return replace(base, reason=f"{where}, and no known pin could be tried")
    failing = next(
        (
            one
            for one in observed
            if one.pinned and all(pinned.differing for _, pinned in one.pinned)
        ),
        None,
    )
    if failing:
        name, pinned = failing.pinned[0]
        return replace(
            base,
            verdict=BROKEN,
            reason=f"{where}, and {pinned.differing} of {pinned.pairs} with {name} "
            f"pinned on {_name(failing)}: no pin works",
        )
    problems = [
        reason for one in differing for _, pinned in one.pinned for reason in _problems(pinned)
    ]
    if problems:
        return replace(
            base, reason=f"{where}, but not every pinned pair could be compared: {problems[0]}"
        )
    if any(pinned.differing for one in observed for _, pinned in one.pinned):
        return replace(
            base, reason=f"inconclusive: {where}, and no single pin works on every model"
        )
    return replace(
        base, reason=f"inconclusive: {where}, too few to distinguish its pin from chance"
    )


def _working(plan: Unpin, first: Observed, observed: list[Observed]) -> list[str]:
    """Return the pins with which runs match that differed without them on this model, and whose
    runs differ on no other.
    """
    return [
        name
        for name, pinned in first.pinned
        if _works(plan, first.unpinned, pinned)
        and not any(dict(one.pinned)[name].differing for one in observed)
    ]


def _works(plan: Unpin, unpinned: Tally, pinned: Tally) -> bool:
    """Whether all pinned pairs of one model match, and for a race not by chance."""
    steady = pinned.matching > 0 and not pinned.differing and not pinned.problems
    return steady and (not plan.race or shown(unpinned, pinned))


def _none_differ(source: Source, observed: list[Observed], base: Verdict) -> Verdict:
    broken = [(name, pinned) for one in observed for name, pinned in one.pinned if pinned.differing]
    if broken:
        name, pinned = broken[0]
        plan = source.experiment
        if plan.race and not any(
            one.pinned and all(pinned.differing for _, pinned in one.pinned) for one in observed
        ):
            return replace(
                base,
                divergence=pinned.divergence,
                reason=(
                    f"inconclusive: no unpinned pair differs, but with {name} pinned, "
                    f"{share(pinned.differing, pinned.pairs)}; another pin may work"
                ),
            )
        return replace(
            base,
            verdict=BROKEN,
            divergence=pinned.divergence,
            reason=f"with {name} pinned, {share(pinned.differing, pinned.pairs)}",
        )
    problems = [
        reason for one in observed for pinned in _tallies(one) for reason in pinned.problems
    ]
    if problems:
        return replace(base, reason=problems[0])
    unavailable = [
        pinned.unavailable for one in observed for pinned in _tallies(one) if pinned.unavailable
    ]
    if unavailable:
        return replace(base, verdict=SKIPPED, reason=unavailable[0])
    exercised = [one for one in observed if acted(source, one.unpinned)]
    if not exercised:
        return replace(
            base, verdict=SKIPPED, reason="not exercised: nothing in these trainings used it"
        )
    matching = max(
        one.unpinned.matching for one in exercised
    )  # pairs of one condition on one model
    return replace(
        base,
        verdict=REPRODUCIBLE,
        excluded_rate=excluded_rate(matching),
        reason=f"no difference in {number(matching, 'pair')} (a rate above {excluded_rate(matching):.0%} is excluded)",
    )


def acted(source: Source, observed: Tally) -> bool:
    """Whether the source was exercised in every trial of the tally, according to the traces."""
    return observed.evidence.get(source.id, 0) > 0


def _problems(pinned: Tally) -> tuple[str, ...]:
    return pinned.problems + ((pinned.unavailable,) if pinned.unavailable else ())


def _tallies(observed: Observed) -> list[Tally]:
    return [observed.unpinned, *(pinned for _, pinned in observed.pinned)]


def _counts(observed: list[Observed]) -> tuple:
    return tuple(
        count
        for one in observed
        for count in (
            one.unpinned.count("unpinned"),
            *(pinned.count(f"pinned by {name}") for name, pinned in one.pinned),
        )
    )


def _name(observed: Observed) -> str:
    return observed.unpinned.condition.model.removeprefix("source:")

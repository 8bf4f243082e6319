"""The experiment on a source with settings: do runs match within each setting, and between
settings?
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from detaudit_probes.declare import Compare, Pin, Setting, Source
from detaudit_probes.protocol import NO_ORDERS, as_mapping

from detaudit.commands.scan.experiments.unpin import RACE_PAIRS, acted, shown
from detaudit.core.condition import Condition, Trial, device_of, pairs
from detaudit.core.counting import excluded_rate
from detaudit.core.divergence import IGNORED, Divergence, Incomparable, Match
from detaudit.core.experiment import Experiment, Finished, Found
from detaudit.core.sentences import number
from detaudit.core.tally import Tally, compare_finals, compare_finished, tally
from detaudit.core.verdict import BROKEN, ERROR, NEEDS_PIN, REPRODUCIBLE, SKIPPED, VARIES, Verdict


@dataclass(frozen=True)
class Tried:
    """One setting on one model: its pairs, and one completed trial to compare with other
    settings.
    """

    setting: Setting
    tally: Tally
    example: Finished | None


@dataclass(frozen=True)
class Grouped:
    """The settings of one model: the result of each, and which gave the same bits."""

    model: str
    tried: tuple[Tried, ...]
    groups: tuple[tuple[str, ...], ...]
    divergence: Divergence | None
    problem: str | None


def condition_of(
    source: Source, setting: Setting, model: str, base: Condition, known: Mapping[str, Pin]
) -> Condition:
    """Return the base condition with one setting."""
    plan = source.experiment
    assert isinstance(plan, Compare)
    condition = base.without(setting.without, known)
    for pin in setting.pins:
        condition = condition.with_pin(known[pin])
    condition = condition.with_settings(setting.settings).with_environment(setting.environment)
    if not plan.recorded:
        condition = condition.with_orders(record=False)
    return replace(
        condition,
        model=model,
        feed=source.id if plan.feed else None,
        procedure=source.id if plan.procedure else None,
        device=setting.device or device_of(source, base),
    )


def compare(
    source: Source,
    base: Condition,
    known: Mapping[str, Pin],
    wanted: int,
    settings: Sequence[Setting] = (),
) -> Experiment[Verdict]:
    """Run ``wanted`` pairs of every setting on every model, more for a race.

    ``settings`` replaces the declared ones (one of them may be a user's own value).
    """
    plan = source.experiment
    assert isinstance(plan, Compare)
    chosen = tuple(settings) or plan.settings
    count = max(wanted, RACE_PAIRS) if plan.race else wanted
    asked = {
        (model, setting.name): pairs(condition_of(source, setting, model, base, known), count)
        for model in plan.models
        for setting in chosen
        if not setting.models or model in setting.models
    }
    found = yield [trial for some in asked.values() for one in some for trial in one]
    return judge(source, [_grouped(plan, model, chosen, asked, found) for model in plan.models])


def _grouped(
    plan: Compare,
    model: str,
    settings: Sequence[Setting],
    asked: Mapping[tuple[str, str], Sequence[tuple[Trial, Trial]]],
    found: Found,
) -> Grouped:
    tried = []
    for setting in settings:
        if (model, setting.name) not in asked:
            continue
        some = asked[model, setting.name]
        done = [found[trial] for one in some for trial in one]
        example = next((one for one in done if one.outcome.completed), None)
        tried.append(Tried(setting, tally(some[0][0].condition, some, found, IGNORED), example))
    groups: list[list[Tried]] = []
    divergence, problem = None, None
    for one in tried:
        if one.example is None or not one.tally.matching or one.tally.differing:
            continue
        for group in groups:
            same = _same(plan, group[0].example, one.example)
            if isinstance(same, Match):
                group.append(one)
                break
            if isinstance(same, Incomparable):  # it belongs to no group, and forms none
                problem = problem or same.reason
                break
            divergence = divergence or same
        else:
            groups.append([one])
    names = tuple(tuple(one.setting.name for one in group) for group in groups)
    return Grouped(model, tuple(tried), names, divergence, problem)


def _same(
    plan: Compare, a: Finished | None, b: Finished | None
) -> Match | Divergence | Incomparable:
    """Compare the bits of two settings.

    Two procedures (resumed or not) need not have the same steps, and under XLA fewer observations
    are made: in these cases their final values are compared.
    """
    assert a and b
    if plan.procedure:
        return compare_finals(a, b)
    compared = compare_finished(a, b, IGNORED)
    return (
        compare_finals(a, b)
        if isinstance(compared, Divergence) and compared.kind == "missing"
        else compared
    )


def judge(source: Source, observed: list[Grouped]) -> Verdict:
    """Return the verdict on a source with settings, from the results of every model."""
    tried = [(one, model.model) for model in observed for one in model.tried]
    base = Verdict(
        source.id,
        ERROR,
        "",
        trials=tuple(sorted({number for one, _ in tried for number in one.tally.trials})),
        counts=tuple(one.tally.count(one.setting.name) for one, _ in tried),
        settings=tuple((model.model, model.groups) for model in observed),
    )
    differing = [(one, model) for one, model in tried if one.tally.differing]
    if differing:
        return _judge_differing(source, observed, base)
    unavailable = [one.tally.unavailable for one, _ in tried if one.tally.unavailable]
    usable = [
        model for model in observed if sum(bool(one.tally.matching) for one in model.tried) > 1
    ]
    problems = [reason for one, _ in tried for reason in one.tally.problems]
    problems += [model.problem for model in observed if model.problem]
    if not usable and unavailable and not problems:
        return replace(base, verdict=SKIPPED, reason=unavailable[0])
    varying = [model for model in observed if len(model.groups) > 1 and model.divergence]
    if varying:
        first = varying[0]
        return replace(
            base,
            verdict=VARIES,
            divergence=first.divergence,
            reason=_which(varying, problems + unavailable),
        )
    if problems or not usable:
        return replace(
            base, reason=problems[0] if problems else "no two settings could be compared"
        )
    exercised = [one for one, _ in tried if acted(source, one.tally)]
    if not exercised:
        return replace(
            base,
            verdict=SKIPPED,
            reason=("not exercised: nothing in these trainings used it" + _untried(unavailable)),
        )
    matching = min(one.tally.matching for one, _ in tried if one.tally.matching)
    return replace(
        base,
        verdict=REPRODUCIBLE,
        excluded_rate=excluded_rate(matching),
        reason=(
            f"every setting gives the same bits on {number(len(usable), 'model')}; "
            f"no difference in {number(matching, 'pair')} per setting "
            f"(a rate above {excluded_rate(matching):.0%} is excluded)" + _untried(unavailable)
        ),
    )


def _which(varying: list[Grouped], problems: list[str]) -> str:
    first = varying[0]
    groups = " / ".join(" = ".join(group) for group in first.groups)
    models = ", ".join(model.model.removeprefix("source:") for model in varying)
    return f"each setting gives the same bits every time, but settings differ on {models}: {groups}{_untried(problems)}"


def _untried(reasons: list[str]) -> str:
    return f"; not tried: {reasons[0]}" if reasons else ""


def _judge_differing(source: Source, observed: list[Grouped], base: Verdict) -> Verdict:
    """The runs of some setting differ: a setting on the same model whose runs match is the pin."""
    unsteady = [model for model in observed if any(one.tally.differing for one in model.tried)]
    model = next(
        (model for model in unsteady if all(one.tally.differing for one in model.tried)),
        unsteady[0],
    )
    differing = [one for one in model.tried if one.tally.differing]
    steady = [
        one
        for one in model.tried
        if one.tally.matching and not one.tally.differing and not one.tally.problems
    ]
    short = model.model.removeprefix("source:")
    counts = ", ".join(
        f"{one.setting.name} {one.tally.differing} of {one.tally.pairs}" for one in differing
    )
    base = replace(base, divergence=differing[0].tally.divergence)
    if len(differing) == len(model.tried):
        return replace(
            base,
            verdict=BROKEN,
            reason=(
                f"pairs differ on {short} although everything is pinned ({counts}), and no setting "
                f"gives the same bits every time"
            ),
        )
    if not steady:
        reasons = [
            reason
            for one in model.tried
            for reason in (*one.tally.problems, one.tally.unavailable)
            if reason
        ]
        return replace(
            base,
            reason=f"pairs differ on {short} ({counts}), but no other setting could be compared: "
            f"{(reasons or ['nothing was tried'])[0]}",
        )
    if source.experiment.race:
        steady = [
            one for one in steady if any(shown(other.tally, one.tally) for other in differing)
        ]
    if not steady:
        return replace(
            base,
            reason=f"inconclusive: pairs differ on {short} ({counts}), "
            f"too few to distinguish the other settings from chance",
        )
    # A setting may equal a pin that it does not name (one thread); one whose runs differed is never
    # recommended.
    advised = next(
        (pin for one in steady for pin in one.setting.pins),
        next((pin.id for pin in source.pins for one in steady if _is_pin(pin, one.setting)), None),
    )
    return replace(
        base,
        verdict=NEEDS_PIN,
        pin=advised,
        reason=f"pairs differ on {short} ({counts}); {steady[0].setting.name} gives the same bits every time",
    )


def _is_pin(pin: Pin, setting: Setting) -> bool:
    """Whether the setting has a value of the pin's, and no value that contradicts it."""
    given, chosen = (
        {**as_mapping(one.settings, NO_ORDERS), **one.environment} for one in (pin, setting)
    )
    common = given.keys() & chosen.keys()
    return bool(common) and all(given[name] == chosen[name] for name in common)

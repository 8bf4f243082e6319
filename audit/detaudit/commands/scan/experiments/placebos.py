"""Placebos: each is shown to do nothing by comparing it with the real pin."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from detaudit_probes.declare import Pin, Source, Unpin
from detaudit_probes.placebos import Placebo

from detaudit.commands.scan.experiments.unpin import arms
from detaudit.commands.scan.findings import Placebo as Finding
from detaudit.core.condition import Condition, Trial, pair
from detaudit.core.divergence import IGNORED, Comparison, Divergence, Incomparable, Match
from detaudit.core.experiment import Experiment, Found
from detaudit.core.tally import compare_finished


@dataclass(frozen=True)
class Arms:
    """The conditions without both, with the placebo, and with the real pin: two trials each."""

    alone: Condition
    placebo: Condition
    real: Condition


def arms_of(
    placebo: Placebo, base: Condition, known: Mapping[str, Pin], sources: Mapping[str, Source]
) -> Arms:
    """Return the three conditions; they differ only by the placebo and by the pin."""
    source = sources[placebo.claims]
    if isinstance(source.experiment, Unpin):
        alone = arms(source, source.experiment.models[0], base, known).unpinned
    else:
        alone = replace(base, model=placebo.model).without((placebo.claims,), known)
    tried = alone.with_environment(placebo.environment)
    if placebo.applied:
        tried = tried.with_orders(placebo=placebo.id)
    return Arms(alone, tried, alone.with_pin(known[placebo.real]))


def placebo(
    one: Placebo,
    base: Condition,
    known: Mapping[str, Pin],
    sources: Mapping[str, Source],
    inherited: Mapping[str, str],
) -> Experiment[Finding]:
    """Try a placebo. ``inherited`` is the user's own environment: a placebo found there was set by
    the user.
    """
    three = arms_of(one, base, known, sources)
    asked = {
        condition: pair(condition, 0) for condition in (three.alone, three.placebo, three.real)
    }
    found = yield [trial for some in asked.values() for trial in some]
    judged = (
        _matching(one, three, asked, found)
        if one.promises_match
        else _changing(one, three, asked, found)
    )
    numbers = tuple(sorted({found[trial].number for some in asked.values() for trial in some}))
    yours = any(name in inherited for name in one.environment)
    return replace(judged, trials=numbers, set_in_environment=yours)


def untried(one: Placebo, reason: str, inherited: Mapping[str, str]) -> Finding:
    return Finding(
        one.id,
        one.title,
        one.real,
        None,
        reason,
        any(name in inherited for name in one.environment),
    )


def _matching(
    one: Placebo, three: Arms, asked: Mapping[Condition, tuple[Trial, Trial]], found: Found
) -> Finding:
    """The placebo is said to make runs match: do they differ with it, and match with the real
    pin?
    """
    alone, tried, real = (
        _compare(found, *asked[condition]) for condition in (three.alone, three.placebo, three.real)
    )
    problem = next(
        (each.reason for each in (alone, tried, real) if isinstance(each, Incomparable)), None
    )
    if problem or isinstance(alone, Match) or isinstance(real, Divergence):
        return _finding(one, None, problem or "the real pin made no difference here")
    if isinstance(tried, Divergence):
        return _finding(
            one, True, f"runs differ with it as they do without it; with {one.real} they match"
        )
    return _finding(one, False, "runs match with it")


def _changing(
    one: Placebo, three: Arms, asked: Mapping[Condition, tuple[Trial, Trial]], found: Found
) -> Finding:
    """The placebo is said to change a setting: does it leave the bits unchanged, while the real pin
    changes them?
    """
    first = {condition: asked[condition][0] for condition in asked}
    tried = _compare(found, first[three.alone], first[three.placebo])
    real = _compare(found, first[three.alone], first[three.real])
    steady = [_compare(found, *asked[condition]) for condition in asked]
    problem = next(
        (each.reason for each in (tried, real, *steady) if isinstance(each, Incomparable)), None
    )
    if problem or not all(isinstance(each, Match) for each in steady):
        return _finding(
            one, None, problem or "one setting does not give the same bits every time here"
        )
    if isinstance(real, Match):
        return _finding(
            one, None, "the real pin changes no bits here, so the two cannot be distinguished"
        )
    if isinstance(tried, Match):
        return _finding(one, True, f"the bits are the same as without it; {one.real} changes them")
    return _finding(one, False, "it changes the bits")


def _finding(one: Placebo, does_nothing: bool | None, reason: str) -> Finding:
    return Finding(one.id, one.title, one.real, does_nothing, reason)


def _compare(found: Found, left: Trial, right: Trial) -> Comparison:
    return compare_finished(found[left], found[right], IGNORED)

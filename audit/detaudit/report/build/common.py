"""The fields that the documents of all commands share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

from detaudit_probes.declare import Pin, Source

from detaudit import __version__
from detaudit.core import divergence
from detaudit.core.conclusion import Conclusion
from detaudit.core.condition import Condition
from detaudit.core.experiment import Finished
from detaudit.core.verdict import Verdict
from detaudit.registry import base, recipes
from detaudit.report.build.convert import Converter, Rules
from detaudit.report.privacy import Private
from detaudit.report.schema import v1

Document = TypeVar("Document", bound=v1.Document)


class Audit(Protocol):
    """The fields that every command's findings have."""

    options: dict[str, Any]
    trials: tuple[Finished, ...]
    began: str
    seconds: float


@dataclass(frozen=True)
class Known:
    """What rules need besides the finding that they convert: the audit, what was ``declared``, and
    what is ``private``.
    """

    audit: Any
    declared: Mapping[str, Source]
    private: Private

    @cached_property
    def pins(self) -> dict[str, Pin]:
        return {pin.id: pin for source in self.declared.values() for pin in source.pins}

    @cached_property
    def conditions(self) -> dict[Condition, int]:
        """The conditions of all trials, each with its index."""
        found = dict.fromkeys(done.trial.condition for done in self.audit.trials)
        return {condition: place for place, condition in enumerate(found)}


def document(
    kind: type[Document],
    audit: Audit,
    conclusion: Conclusion,
    rules: Rules = MappingProxyType({}),
    declared: Mapping[str, Source] | None = None,
    private: Private | None = None,
) -> Document:
    """Return the document of an audit. ``declared`` are the sources that it knew, by default ours.

    A rule for the whole document returns the fields that neither the audit nor
    :func:`shared_fields` has.
    """
    sources = base.known_sources() if declared is None else declared
    hide = private or Private.of_here(base.declared_variables(sources.values()))
    own_fields = rules.get((kind, type(audit)))

    def whole(known: Known, audit: Audit) -> dict[str, Any]:
        own = {} if own_fields is None else own_fields(known, audit)
        return {**shared_fields(known, conclusion), **own}

    every_rule = {**RULES, **rules, (kind, type(audit)): whole}
    return Converter(hide, every_rule, Known(audit, sources, hide)).part(kind, audit)


def shared_fields(known: Known, conclusion: Conclusion) -> dict[str, Any]:
    """Return the fields of every document that are not an audit's own."""
    audit: Audit = known.audit
    outcomes = [done.outcome for done in audit.trials]
    traces = [done.trace for done in audit.trials if done.trace is not None]
    return {
        "format": v1.FORMAT,
        "version": v1.VERSION,
        "tool": v1.Tool(name="detaudit", version=__version__),
        "header": v1.Header(
            began=audit.began,
            seconds=round(audit.seconds, 3),
            trial_seconds=round(sum((outcome.seconds for outcome in outcomes), 0.0), 3),
            peak_memory=max((outcome.max_rss for outcome in outcomes), default=0),
            timeline=_timeline(audit.trials),
        ),
        "fingerprint": traces[0].fingerprint if traces else None,
        "outcome": conclusion.outcome,
        "exit_code": conclusion.exit_code,
        "reason": conclusion.reason,
        "conditions": tuple(known.conditions),
    }


def _timeline(trials: Sequence[Finished]) -> tuple[v1.TrialTime, ...]:
    begun = {done.number: done.outcome.began for done in trials if done.outcome.began is not None}
    first = min(begun.values(), default=0.0)
    return tuple(
        v1.TrialTime(
            trial=done.number,
            began=round(begun[done.number] - first, 3),
            seconds=round(done.outcome.seconds, 3),
        )
        for done in trials
        if done.number in begun
    )


def counted(trials: Sequence[int]) -> dict[str, Any]:
    """Return how many trials are behind a result, and which."""
    return {"trial_count": len(trials), "trial_numbers": trials}


def _divergence(_: Known, first: divergence.Divergence) -> dict[str, Any]:
    names = ("ulps_max", "differing_elements", "total", "first_index", "max_abs")
    return {name: getattr(first.distance, name, None) for name in names}


def _fix(known: Known, pin: Pin) -> dict[str, Any]:
    options = known.audit.options
    seed, backend = options.get("seed", 1), options.get("backend", "tensorflow")
    return {
        "lines": tuple(line.format(seed=seed) for line in recipes.pin_lines(pin, backend)),
        "environment": {name: value.format(seed=seed) for name, value in pin.environment.items()},
    }


def _verdict(known: Known, verdict: Verdict) -> dict[str, Any]:
    source = known.declared.get(verdict.source)
    return {
        "family": source.family if source else "other",
        "title": source.title if source else verdict.source,
        "fix": known.pins.get(verdict.pin or ""),
        **counted(verdict.trials),
    }


def _settings(_: Known, pair: tuple[str, tuple[tuple[str, ...], ...]]) -> dict[str, Any]:
    model, groups = pair
    return {"model": model, "groups": groups}


def _trial(known: Known, done: Finished) -> dict[str, Any]:
    trace = done.trace
    return {
        "condition": known.conditions[done.trial.condition],
        "draw": done.trial.draw,
        "outcome": done.outcome.kind,
        "reason": done.outcome.reason,
        "steps": trace.steps() if trace else 0,
        "observations": trace.observations() if trace else 0,
        "digests": trace.digests if trace else {},
    }


RULES: Rules = {
    (v1.Divergence, divergence.Divergence): _divergence,
    (v1.Fix, Pin): _fix,
    (v1.Verdict, Verdict): _verdict,
    (v1.Settings, tuple): _settings,
    (v1.Trial, Finished): _trial,
}

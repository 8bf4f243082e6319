"""The parts of a scan, each an experiment: the sources, the matrix, the ladder, the placebos,
reach.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from detaudit_probes.declare import Compare, Needs, Pin, Setting, Source
from detaudit_probes.placebos import PLACEBOS

from detaudit import base as bases
from detaudit.condition import Condition
from detaudit.core.experiment import Asking, Experiment, Finding
from detaudit.experiments import placebos, reach
from detaudit.experiments.compare import compare
from detaudit.experiments.control import control
from detaudit.experiments.ladder import ladder
from detaudit.experiments.locate import locate
from detaudit.experiments.loosen import loosen
from detaudit.experiments.matrix import matrix
from detaudit.findings import Cell, Control, Level, Placebo, Rung
from detaudit.plan import Plan
from detaudit.verdict import SKIPPED, Verdict


@dataclass(frozen=True)
class Parts:
    """The parts of a scan, begun; each finds what its type says. None is one that the plan leaves
    out.
    """

    control: Asking[Control]
    ladder: Asking[tuple[Rung, ...]] | None
    sources: Mapping[str, Asking[Verdict]]
    matrix: Asking[tuple[Cell, ...]] | None = None
    placebos: tuple[Asking[Placebo], ...] = ()
    reach: Asking[tuple[Level, ...]] | None = None

    def after_control(self) -> tuple[Asking, ...]:
        """All but the control, the longest first."""
        parts = (self.ladder, *self.sources.values(), self.matrix, *self.placebos, self.reach)
        return tuple(one for one in parts if one is not None)


def parts_of(
    plan: Plan, base: Condition, inherited: Mapping[str, str], facts: Mapping[str, Any], gpus: int
) -> Parts:
    """Every part of the scan.

    ``inherited`` is the user's own environment, ``facts`` what the interpreter said of itself and,
    where it is known, ``cpu_flags``.
    """
    known, sources = bases.known_pins(base.backend), bases.known_sources(base.backend)
    parts = Parts(
        Asking(control(base, plan.models, plan.pairs)),
        Asking(ladder(base, known, plan.ladder_models, plan.pairs)) if plan.ladder else None,
        {
            source.id: Asking(of_source(source, base, known, inherited, facts, gpus, plan.pairs))
            for source in sorted(plan.sources, key=_length, reverse=True)
        },
    )
    if not plan.sections:
        return parts
    return replace(
        parts,
        matrix=Asking(matrix(base, known, sources)),
        placebos=tuple(
            Asking(
                _settled(placebos.untried(one, "no GPU here", inherited))
                if one.gpu and not gpus
                else placebos.placebo(one, base, known, sources, inherited)
            )
            for one in PLACEBOS
            if base.backend in one.backends
        ),
        reach=Asking(reach.reach(reach.steps(base, known, sources, plan.models, gpus))),
    )


def _length(source: Source) -> int:
    """How much work a source is, roughly: for the order only."""
    plan = source.experiment
    arms = len(plan.settings) if isinstance(plan, Compare) else 1 + len(plan.pins or source.pins)
    return len(plan.models) * arms * (5 if plan.race else 2)


def of_source(
    source: Source,
    base: Condition,
    known: Mapping[str, Pin],
    inherited: Mapping[str, str],
    facts: Mapping[str, Any],
    gpus: int,
    pairs: int,
) -> Experiment[Verdict]:
    """The experiment of one source, or its verdict at once where it cannot be tried here."""
    reason = lacking(source, facts, gpus)
    if reason:
        return _settled(Verdict(source.id, SKIPPED, reason))
    if isinstance(source.experiment, Compare):
        settings = tuple(
            one
            for one in _with_your_own(source.experiment, inherited)
            if not _missing_flags(one.needs, facts)
        )
        return compare(source, base, known, pairs, settings)
    return locate(loosen(source, base, known, pairs), source, base, known)


def lacking(source: Source, facts: Mapping[str, Any], gpus: int) -> str | None:
    """Why the source cannot be tried here, or None."""
    needs = source.needs
    if needs.gpus > gpus:
        return f"needs {needs.gpus} GPU{'s' if needs.gpus > 1 else ''}, {gpus or 'none'} here"
    missing = [name for name in needs.packages if name not in facts.get("packages", {})]
    if missing:
        return f"no {missing[0]} here"
    flags = _missing_flags(needs, facts)
    if flags:
        return f"this CPU has no {flags[0].upper()}"
    cores = int(facts.get("cpus") or os.cpu_count() or 1)
    return f"needs {needs.cores} cores, {cores} here" if needs.cores > cores else None


def _missing_flags(needs: Needs, facts: Mapping[str, Any]) -> list[str]:
    """What this CPU lacks of the instructions needed; nothing where its flags are not known."""
    flags = facts.get("cpu_flags")
    return [] if flags is None else [name for name in needs.cpu_flags if name not in flags]


def _with_your_own(plan: Compare, inherited: Mapping[str, str]) -> tuple[Setting, ...]:
    """The declared settings, and the user's own values of the variables that they set, where these
    are others.
    """
    names = {name for setting in plan.settings for name in setting.environment}
    own = {name: inherited[name] for name in sorted(names) if name in inherited}
    if not own or any(
        {**dict.fromkeys(own), **setting.environment} == own for setting in plan.settings
    ):
        return plan.settings
    title = "yours: " + " ".join(f"{name}={value}" for name, value in own.items())
    return (*plan.settings, Setting(title, environment=dict(own)))


def _settled(finding: Finding) -> Experiment[Finding]:
    """An experiment that needs no trial."""
    return finding
    yield  # a generator, as every experiment

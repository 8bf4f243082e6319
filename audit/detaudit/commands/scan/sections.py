"""The parts of a scan, each an experiment: the sources, the matrix, the ladder, the placebos,
reach.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from detaudit_probes.declare import Compare, Pin, Setting, Source
from detaudit_probes.placebos import PLACEBOS

from detaudit.commands.scan.experiments import placebos, reach
from detaudit.commands.scan.experiments.compare import compare
from detaudit.commands.scan.experiments.control import control
from detaudit.commands.scan.experiments.ladder import ladder
from detaudit.commands.scan.experiments.locate import locate
from detaudit.commands.scan.experiments.matrix import matrix
from detaudit.commands.scan.experiments.unpin import unpin
from detaudit.commands.scan.findings import Cell, Control, Level, Placebo, Rung
from detaudit.commands.scan.plan import Plan
from detaudit.core.condition import Condition
from detaudit.core.experiment import Asking, Experiment, Finding
from detaudit.core.verdict import SKIPPED, Verdict
from detaudit.registry import base as bases
from detaudit.registry.availability import lacking, missing_flags


@dataclass(frozen=True)
class Parts:
    """The parts of a scan, started; each finds what its type says. None: the plan omits this
    part.
    """

    control: Asking[Control]
    ladder: Asking[tuple[Rung, ...]] | None
    sources: Mapping[str, Asking[Verdict]]
    matrix: Asking[tuple[Cell, ...]] | None = None
    placebos: tuple[Asking[Placebo], ...] = ()
    reach: Asking[tuple[Level, ...]] | None = None

    def after_control(self) -> tuple[Asking, ...]:
        """Return all parts but the control, the longest first."""
        parts = (self.ladder, *self.sources.values(), self.matrix, *self.placebos, self.reach)
        return tuple(part for part in parts if part is not None)


def parts_of(
    plan: Plan, base: Condition, inherited: Mapping[str, str], facts: Mapping[str, Any], gpus: int
) -> Parts:
    """Return every part of the scan. ``inherited`` is the user's own environment, ``facts`` are
    those that the interpreter reported, with ``cpu_flags`` if they are known.
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
                _settled(placebos.untried(placebo, "no GPU here", inherited))
                if placebo.gpu and not gpus
                else placebos.placebo(placebo, base, known, sources, inherited)
            )
            for placebo in PLACEBOS
            if base.backend in placebo.backends
        ),
        reach=Asking(reach.reach(reach.steps(base, known, sources, plan.models, gpus))),
    )


def _length(source: Source) -> int:
    """Return roughly how much work a source is: only for the order."""
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
    """Return the experiment on one source, or its verdict at once if it cannot be tried here."""
    reason = lacking(source, facts, gpus)
    if reason:
        return _settled(Verdict(source.id, SKIPPED, reason))
    if isinstance(source.experiment, Compare):
        settings = tuple(
            setting
            for setting in _with_your_own(source.experiment, inherited)
            if not missing_flags(setting.needs, facts)
        )
        return compare(source, base, known, pairs, settings)
    return locate(unpin(source, base, known, pairs), source, base, known)


def _with_your_own(plan: Compare, inherited: Mapping[str, str]) -> tuple[Setting, ...]:
    """Return the declared settings, and the user's own values of the variables that they set, if
    these are different.
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
    """Return an experiment that needs no trial."""
    return finding
    yield  # a generator, like every experiment

"""From the step at which a source makes runs differ to the operation: a further pair replays that
step.
"""

from collections.abc import Mapping
from dataclasses import replace

from detaudit_probes.backends import EVERY_BACKEND
from detaudit_probes.declare import Pin, Source

from detaudit.commands.scan.experiments.unpin import arms
from detaudit.core.condition import Condition, pair
from detaudit.core.experiment import Experiment
from detaudit.core.pinpoint import judged
from detaudit.core.verdict import BROKEN, NEEDS_PIN, Verdict

#: Stages before any operation of a step: there is no operation to find.
CAME_IN = ("rng", "data", "init")


def locate(
    experiment: Experiment[Verdict], source: Source, base: Condition, known: Mapping[str, Pin]
) -> Experiment[Verdict]:
    """Return the verdict of ``experiment`` with the operation at which unpinned runs differ, if
    they differ in a step.

    A source with its own training procedure numbers its steps differently: its verdict is returned
    unchanged.
    """
    verdict = yield from experiment
    where = verdict.divergence
    differing = next(
        (count.model for count in verdict.counts if count.name == "unpinned" and count.differing),
        None,
    )
    if (
        verdict.verdict not in (NEEDS_PIN, BROKEN)
        or differing is None
        or source.experiment.procedure
    ):
        return verdict
    if base.backend not in EVERY_BACKEND:
        return verdict
    if where is None or where.step is None or where.stage in CAME_IN:
        return verdict
    trials = pair(arms(source, differing, base, known).unpinned.with_orders(pinpoint=where.step), 0)
    found = yield list(trials)
    return replace(verdict, pinpoint=judged([found[trial] for trial in trials]))

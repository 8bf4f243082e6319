"""The document of a scan."""

from collections.abc import Iterable, Mapping
from typing import Any

from detaudit_probes.declare import Source

from detaudit.commands.scan import findings
from detaudit.commands.scan.conclusion import conclude
from detaudit.commands.scan.findings import Control
from detaudit.core.tally import Tally
from detaudit.registry import recipes
from detaudit.report.build import common
from detaudit.report.build.common import Known, counted
from detaudit.report.build.convert import Rules
from detaudit.report.privacy import Private
from detaudit.report.schema import v1

_MOST_PROBLEMS = 20


def document(
    audit: findings.Audit,
    declared: Mapping[str, Source] | None = None,
    private: Private | None = None,
) -> v1.Report:
    """Return the document of an audit. ``declared`` are the sources that it knew, by default
    ours.
    """
    return common.document(v1.Report, audit, conclude(audit), RULES, declared, private)


def _control(_: Known, control: Control) -> dict[str, Any]:
    return {
        "matches": False if control.differing else True if control.matches else None,
        "models": control.tallies,
    }


def _controlled(_: Known, tally: Tally) -> dict[str, Any]:
    return {
        "model": tally.condition.model,
        "problems": tally.problems[:_MOST_PROBLEMS],
        **counted(tally.trials),
    }


def _recipe(known: Known, recipe: findings.Recipe) -> dict[str, Any]:
    audit: findings.Audit = known.audit
    pins = next((rung.pins for rung in recipes.RUNGS if rung.id == recipe.rung), ())
    pinned_sources = {
        source for name in pins if name in known.pins for source in known.pins[name].sources
    }
    # Also the sources that one of these pins was shown to pin: a component draws from the generator
    # that it pins.
    pinned_sources |= {
        verdict.source
        for verdict in audit.verdicts
        if {verdict.pin, *verdict.other_pins} & set(pins)
    }
    title = _whole_titles(audit.ladder).get(recipe.rung, recipe.rung)
    return {"title": title, "pinned_sources": tuple(sorted(pinned_sources))}


def _whole_titles(rungs: Iterable[findings.Rung]) -> dict[str, str]:
    """Return each rung's full title: one that begins with ``+`` adds to the rung below it."""
    titles: dict[str, str] = {}
    below = ""
    for rung in rungs:
        below = f"{below} {rung.title}" if rung.title.startswith("+") and below else rung.title
        titles[rung.id] = below
    return titles


def _with_trials(
    _: Known, finding: findings.Cell | findings.Rung | findings.Placebo | findings.Level
) -> dict[str, Any]:
    return counted(finding.trials)


RULES: Rules = {
    (v1.Control, Control): _control,
    (v1.Controlled, Tally): _controlled,
    (v1.Cell, findings.Cell): _with_trials,
    (v1.Rung, findings.Rung): _with_trials,
    (v1.Recipe, findings.Recipe): _recipe,
    (v1.Placebo, findings.Placebo): _with_trials,
    (v1.Level, findings.Level): _with_trials,
}

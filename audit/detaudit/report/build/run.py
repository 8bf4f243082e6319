"""The document of a run."""

from typing import Any

from detaudit.commands.run import findings
from detaudit.commands.run.conclusion import conclude
from detaudit.core.counting import excluded_rate
from detaudit.registry import base
from detaudit.report.build import common
from detaudit.report.build.common import Known, counted
from detaudit.report.build.convert import Rules
from detaudit.report.privacy import Private
from detaudit.report.schema import v1

LONGEST_TRACEBACK = 4000


def document(audit: findings.RunAudit, private: Private | None = None) -> v1.RunReport:
    """Return the document of an audit of a user's script."""
    hide = private or Private.of_here(arguments=audit.arguments)
    return common.document(v1.RunReport, audit, conclude(audit), RULES, base.script_sources(), hide)


def _report(known: Known, audit: findings.RunAudit) -> dict[str, Any]:
    return {
        "verdicts": audit.causes,
        "warnings": audit.notes,
        "notes": {},
        "first_divergence": audit.repeats.divergence,
        "depends_on": _varied(audit, False),
        "unaffected_by": _varied(audit, True),
        "unresolved_settings": _varied(audit, None),
        "traceback": known.private.ending(audit.traceback, LONGEST_TRACEBACK),
    }


def _varied(audit: findings.RunAudit, matches: bool | None) -> tuple[findings.Varied, ...]:
    """Return the variations of the machine after which runs matched, differed, or showed
    neither.
    """
    return tuple(varied for varied in audit.variations if varied.matches is matches)


def _repeats(_: Known, repeats: findings.Repeats) -> dict[str, Any]:
    match = repeats.matching > 0 and not repeats.differing
    return {"excluded_rate": excluded_rate(repeats.matching) if match else None}


def _cause(known: Known, cause: findings.Cause) -> dict[str, Any]:
    source = known.declared[cause.source]
    return {"title": source.title, "advice": source.advice}


def _verdict(known: Known, cause: findings.Cause) -> dict[str, Any]:
    """Return the cause's counterpart among the verdicts."""
    source, audit = known.declared[cause.source], known.audit
    reason = "runs of the script match with its pin"
    if cause.necessary:
        reason = "runs of the script match with its pin and those of the other causes, and differ without it"
    pinned = [done.number for done in audit.trials if cause.pin in done.trial.condition.pins]
    return {
        "family": source.family,
        "title": source.title,
        "verdict": "needs-pin",
        "reason": reason,
        "other_pins": (),
        "fix": known.pins.get(cause.pin),
        "divergence": audit.repeats.divergence,
        "pinpoint": None,
        "settings": (),
        "counts": (),
        "excluded_rate": None,
        **counted(pinned),
    }


def _change(known: Known, fix: findings.Fix) -> dict[str, Any]:
    shown = known.private.text(fix.diff, v1.LARGEST_DIFF)
    return {"redacted": shown != fix.diff}


def _costs(known: Known, cost: findings.Costs) -> dict[str, Any]:
    added = [pin for pin in cost.fastest if pin not in cost.combined.pins]
    return {"fixes": {pin: known.pins[pin] for pin in added if pin in known.pins}}


RULES: Rules = {
    (v1.RunReport, findings.RunAudit): _report,
    (v1.Repeats, findings.Repeats): _repeats,
    (v1.Cause, findings.Cause): _cause,
    (v1.Verdict, findings.Cause): _verdict,
    (v1.Change, findings.Fix): _change,
    (v1.Costs, findings.Costs): _costs,
}

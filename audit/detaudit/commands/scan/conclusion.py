"""Derives the outcome and the exit code of a scan from its findings
(docs/reference/exit-codes.md).
"""

from detaudit.commands.scan.findings import Audit
from detaudit.core.conclusion import FAULT, INCONCLUSIVE, OK, UNFIT, Conclusion
from detaudit.core.verdict import BROKEN, ERROR, NEEDS_PIN, SKIPPED, VARIES


def conclude(audit: Audit) -> Conclusion:
    """Return 0 if nothing is broken, 1 if something is (with ``strict`` also needs-pin or varies),
    3 if undecided, 130 if interrupted. 1 wins over 3.
    """
    broken = broken_by(audit)
    if broken:
        return Conclusion(UNFIT, 1, broken)
    undecided = undecided_by(audit)
    strict = (
        [one for one in audit.verdicts if one.verdict in (NEEDS_PIN, VARIES)]
        if audit.strict
        else []
    )
    outcome = INCONCLUSIVE if undecided else OK
    if audit.interrupted:
        return Conclusion(INCONCLUSIVE, 130, "interrupted")
    if audit.failure is not None:
        return Conclusion(INCONCLUSIVE, FAULT, audit.failure.reason)
    if strict:
        return Conclusion(outcome, 1, f"strict: {strict[0].source} is {strict[0].verdict}")
    return Conclusion(outcome, 3 if undecided else 0, undecided or "nothing is broken")


def broken_by(audit: Audit) -> str | None:
    """Return what is broken, or None."""
    if audit.control and audit.control.differing:
        models = ", ".join(one.condition.model for one in audit.control.differing)
        return f"control runs differ on {models}, although everything is pinned"
    found = [one.source for one in audit.verdicts if one.verdict == BROKEN]
    return f"broken: {', '.join(found)}" if found else None


def undecided_by(audit: Audit) -> str | None:
    """Return why the audit is not decided, or None."""
    if audit.control is None:
        return "the control was not run"
    if audit.control.undecided:
        one = audit.control.undecided[0]
        return f"the control runs on {one.condition.model} could not be compared: {(*one.problems, one.unavailable)[0]}"
    errors = [one.source for one in audit.verdicts if one.verdict == ERROR]
    if errors:
        return f"not decided: {', '.join(errors)}"
    asked = [
        one.source
        for one in audit.verdicts
        if one.verdict == SKIPPED and one.source in audit.requested
    ]
    if asked:
        return f"requested, but could not be tried: {', '.join(asked)}"
    return "the budget ran out" if audit.over_budget else _recipe_undecided(audit)


def _recipe_undecided(audit: Audit) -> str | None:
    """Return why no recipe is verified although one was searched for, or None. "No recipe works" is
    an answer.
    """
    if audit.recipe is not None:
        return (
            None if audit.recipe.verified else f"the recipe is not verified: {audit.recipe.reason}"
        )
    undecided = next((rung for rung in audit.ladder if rung.works is None), None)
    return (
        f"no recipe could be judged: {undecided.title}: {undecided.reason}" if undecided else None
    )

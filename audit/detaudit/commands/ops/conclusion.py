"""Derives the outcome and the exit code of ``detaudit ops`` from its findings
(docs/reference/exit-codes.md).
"""

from detaudit.commands.ops.findings import OpsAudit
from detaudit.core.conclusion import FAULT, INCONCLUSIVE, OK, UNFIT, Conclusion
from detaudit.core.verdict import BROKEN, ERROR, NEEDS_PIN, SKIPPED, VARIES


def conclude(audit: OpsAudit) -> Conclusion:
    """Return 0 if nothing is broken, 1 if an operation is (with ``strict`` also needs-pin or
    varies), 3 if undecided, 130 if interrupted. 1 wins over 3.
    """
    by_verdict = {
        verdict: list(dict.fromkeys(one.name for one in audit.operations if one.verdict == verdict))
        for verdict in (BROKEN, ERROR, NEEDS_PIN, SKIPPED, VARIES)
    }
    if by_verdict[BROKEN]:
        return Conclusion(UNFIT, 1, f"broken: {', '.join(by_verdict[BROKEN])}")
    undecided = _undecided(audit, by_verdict[ERROR])
    if audit.interrupted:
        return Conclusion(INCONCLUSIVE, 130, "interrupted")
    if audit.failure is not None:
        return Conclusion(INCONCLUSIVE, FAULT, audit.failure.reason)
    strict = [*by_verdict[NEEDS_PIN], *by_verdict[VARIES]] if audit.strict else []
    outcome = INCONCLUSIVE if undecided else OK
    if strict:
        return Conclusion(
            outcome, 1, f"strict: {strict[0]} does not give the same bits under every condition"
        )
    return Conclusion(outcome, 3 if undecided else 0, undecided or "nothing is broken")


def _undecided(audit: OpsAudit, errors: list[str]) -> str | None:
    if errors:
        return f"not decided: {', '.join(errors)}"
    if audit.over_budget:
        return "the budget ran out"
    if not audit.operations:
        return "no operation was replayed"
    ran = {one.name for one in audit.operations if one.verdict != SKIPPED}
    none = [one.name for one in audit.operations if one.name not in ran] if audit.requested else []
    return f"requested, but could not be tried: {', '.join(dict.fromkeys(none))}" if none else None

"""Derives the outcome and the exit code of ``detaudit spread`` from its findings
(docs/reference/exit-codes.md).
"""

from detaudit.commands.spread.by_source import LEAST
from detaudit.commands.spread.findings import SpreadAudit
from detaudit.core.conclusion import FAULT, INCONCLUSIVE, OK, Conclusion
from detaudit.core.sentences import number


def conclude(audit: SpreadAudit) -> Conclusion:
    """Return 0 if every run gave a result, 3 if not, 130 if interrupted."""
    if audit.interrupted:
        return Conclusion(INCONCLUSIVE, 130, "interrupted")
    if audit.failure is not None:
        return Conclusion(INCONCLUSIVE, FAULT, audit.failure.reason)
    if audit.options.get("by_source"):
        return _of_sources(audit)
    other = audit.against
    if audit.ignored or (other is not None and other.ignored):
        return Conclusion(INCONCLUSIVE, 3, "runs with different seeds are identical")
    if audit.seeds and not audit.metrics:
        hint = ": give --parse or --results" if audit.program else ""
        return Conclusion(INCONCLUSIVE, 3, f"no run ended with a number{hint}")
    wanted = audit.options["runs"]
    completed = len(audit.seeds) + (len(other.seeds) if other is not None else 0)
    wanted *= 1 if other is None else 2
    if completed < wanted:
        early = "the budget ran out" if audit.over_budget else "some runs did not complete"
        return Conclusion(INCONCLUSIVE, 3, f"{early}: {completed} of {wanted} completed")
    return Conclusion(OK, 0, f"all {wanted} runs completed")


def _of_sources(audit: SpreadAudit) -> Conclusion:
    if not audit.by_source:
        return Conclusion(INCONCLUSIVE, 3, "the budget ran out before every source was tried")
    control = audit.by_source[0]
    if control.runs < LEAST:
        return Conclusion(INCONCLUSIVE, 3, "runs with everything pinned did not complete")
    if control.identical < control.runs:
        return Conclusion(INCONCLUSIVE, 3, "runs differ with everything pinned")
    return Conclusion(OK, 0, f"{number(len(audit.by_source) - 2, 'source')} tried")

"""Derives the outcome and the exit code of ``detaudit spread`` from its findings
(docs/reference/exit-codes.md).
"""

from detaudit.commands.spread.findings import SpreadAudit
from detaudit.core.conclusion import FAULT, INCONCLUSIVE, OK, Conclusion


def conclude(audit: SpreadAudit) -> Conclusion:
    """Return 0 if every run gave a result, 3 if not, 130 if interrupted."""
    if audit.interrupted:
        return Conclusion(INCONCLUSIVE, 130, "interrupted")
    if audit.failure is not None:
        return Conclusion(INCONCLUSIVE, FAULT, audit.failure.reason)
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

"""From what was found to the outcome and the exit code of ``detaudit again``."""

from detaudit.commands.again.findings import AgainAudit
from detaudit.core.conclusion import INCONCLUSIVE, OK, UNFIT, Conclusion


def conclude(audit: AgainAudit) -> Conclusion:
    """0 the two trials match, 1 they differ, 3 not decided, 130 interrupted."""
    if audit.interrupted:
        return Conclusion(INCONCLUSIVE, 130, "interrupted")
    if audit.matches is None:
        return Conclusion(INCONCLUSIVE, 3, audit.problem or "not every trial was run")
    if audit.matches:
        return Conclusion(OK, 0, "the two trials match")
    return Conclusion(UNFIT, 1, "the two trials differ")

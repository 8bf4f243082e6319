"""Derives the outcome and the exit code of ``detaudit run`` from its findings
(docs/reference/exit-codes.md).
"""

from detaudit.commands.run.findings import RunAudit
from detaudit.core.conclusion import FAULT, INCONCLUSIVE, OK, Conclusion

NOT_REPRODUCIBLE = "not-reproducible"


def conclude(audit: RunAudit) -> Conclusion:
    """Return 0 if reproducible (with ``strict`` 1 if the result depends on the machine), 1 if not,
    whether or not a fix was verified, 3 if undecided, 70 if a fault of detaudit prevented a
    decision, 130 if interrupted.
    """
    if audit.reproducible is False:
        return Conclusion(NOT_REPRODUCIBLE, 1, audit.reason)
    if audit.interrupted:
        return Conclusion(INCONCLUSIVE, 130, "interrupted")
    if audit.own_fault and audit.reproducible is None:
        return Conclusion(INCONCLUSIVE, FAULT, audit.reason)
    if audit.reproducible is None:
        return Conclusion(INCONCLUSIVE, 3, audit.reason)
    resting = [one.source for one in audit.variations if one.matches is False]
    if audit.strict and resting:
        return Conclusion(OK, 1, f"strict: the result depends on {', '.join(resting)}")
    return Conclusion(OK, 0, audit.reason)

"""From what was found to the outcome and the exit code of ``detaudit run``
(docs/reference/exit-codes.md).
"""

from detaudit.commands.run.findings import RunAudit
from detaudit.core.conclusion import FAULT, INCONCLUSIVE, OK, Conclusion

NOT_REPRODUCIBLE = "not-reproducible"


def conclude(audit: RunAudit) -> Conclusion:
    """0 reproducible (with ``strict`` 1 where the result rests on the machine), 1 not, whether or
    not a fix was verified, 3 not decided, 70 where a fault of our own kept it from being decided,
    130 interrupted.
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

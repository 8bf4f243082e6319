"""Derives the outcome and the exit code of ``detaudit spread`` from its findings
(docs/reference/exit-codes.md).
"""

from detaudit.commands.spread.findings import Against, SpreadAudit
from detaudit.core.conclusion import FAULT, INCONCLUSIVE, OK, Conclusion
from detaudit.core.sentences import number


def conclude(audit: SpreadAudit) -> Conclusion:
    """Return 0 if every run gave a result, 3 if not, 130 if interrupted."""
    if audit.interrupted:
        return Conclusion(INCONCLUSIVE, 130, "interrupted")
    if audit.failure is not None:
        return Conclusion(INCONCLUSIVE, FAULT, audit.failure.reason)
    if audit.options.get("by_source"):
        why = _missing_of_sources(audit)
        tried = number(max(0, len(audit.by_source) - 2), "source")
        return Conclusion(INCONCLUSIVE, 3, why) if why else Conclusion(OK, 0, f"{tried} tried")
    programs = [audit, *([audit.against] if audit.against is not None else [])]
    why = next(filter(None, (_missing(audit, one) for one in programs)), "")
    if why:
        return Conclusion(INCONCLUSIVE, 3, why)
    completed = sum(len(one.seeds) for one in programs)
    wanted = audit.options["runs"] * len(programs)
    if completed < wanted:
        why = f"{_early(audit)}: {completed} of {wanted} completed"
        return Conclusion(INCONCLUSIVE, 3, f"{why}{_first_failure(audit)}")
    return Conclusion(OK, 0, f"all {wanted} runs completed")


def _missing(audit: SpreadAudit, one: SpreadAudit | Against) -> str:
    """Return what the runs of a program do not show; an empty string if they show their results."""
    if one.ignored:
        return "runs with different seeds have the same weights"
    if not one.seeds:
        return ""
    of_program = f" in {one.program}" if audit.against is not None else ""
    if not one.metrics:
        return f"no result was found{of_program}{_hint(audit)}"
    if one.program and one.seeding.is_free and one.identical == len(one.seeds):
        return f"no seed{of_program} was changed, and all runs are alike: give --seed-args"
    if all(metric.mean is None for metric in one.metrics) and len(one.seeds) > 1:
        return f"no result{of_program} is a finite number in two runs"
    return ""


def _hint(audit: SpreadAudit) -> str:
    if not audit.program:
        return ""
    if audit.options.get("metric"):
        return f" that is called {audit.options['metric']}"
    if audit.options.get("results"):
        return f": no number in {audit.options['results']}, or it was not written"
    if audit.options.get("parse"):
        return ": no pattern of --parse matches what it prints to stdout"
    return ": give --parse or --results"


def _missing_of_sources(audit: SpreadAudit) -> str:
    if not audit.by_source:
        return f"{_early(audit)} before every source was tried"
    control, *rows = audit.by_source
    if control.runs < control.wanted:
        return f"only {control.runs} of {number(control.wanted, 'run')} with everything pinned completed"
    if control.identical < control.runs:
        return "runs differ with everything pinned"
    failed = next((row for row in rows if row.runs < row.wanted), None)
    if failed is not None:
        runs = number(failed.wanted, "run")
        return f"only {failed.runs} of {runs} with {failed.free} unpinned completed"
    return ""


def _first_failure(audit: SpreadAudit) -> str:
    """Return why the first run that failed did."""
    failed = (run.outcome.reason for run in audit.trials if not run.outcome.completed)
    reason = next(failed, "")
    return f" ({reason})" if reason else ""


def _early(audit: SpreadAudit) -> str:
    return "the budget ran out" if audit.over_budget else "some runs did not complete"

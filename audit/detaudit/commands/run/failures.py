"""Decides whether a failure is the script's own, before a failed run counts.

A run that failed beside another one is run again twice, alone: detaudit is to blame if two runs
need the same port or lock file at once, not the script. A fault of detaudit's own code ends the
audit, and says nothing about the script.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from detaudit.commands.run.case import Case, Investigation
from detaudit.commands.run.findings import RunAudit
from detaudit.core.condition import Condition, Trial
from detaudit.core.experiment import Experiment, Finished
from detaudit.core.outcome import CRASHED, FAILED, OWN_FAULT

AGAIN = 10_000  # the number of the first run that is repeated


def owned(
    case: Case, blank: RunAudit, investigation: Callable[[Case, RunAudit], Investigation]
) -> Investigation:
    """Run ``investigation`` of the case, counting only failures of the script's own.

    If a run that failed beside another one completes twice alone, one of these two replaces it,
    ``case.alone`` is called for all later runs, and a note says so. A fault of detaudit ends the
    investigation with what was known by then.
    """
    known = [blank]
    runs = _Runs(case)

    def learn(audit: RunAudit) -> None:
        known.append(audit)
        case.known_so_far(audit)

    inner = investigation(
        replace(case, alone=runs.go_alone, runs=runs.count, known_so_far=learn), blank
    )
    try:
        wanted = next(inner)
        while True:
            found = yield wanted
            results = yield from runs.judge(wanted, found)
            fault = next((run for run in results.values() if run.outcome.kind == OWN_FAULT), None)
            if fault is not None:
                inner.close()
                return _ended(known[-1], fault.outcome.reason, runs.notes)
            wanted = inner.send(results)
    except StopIteration as end:
        return replace(end.value, notes=(*end.value.notes, *runs.notes))


def _ended(known: RunAudit, reason: str, notes: Sequence[str]) -> RunAudit:
    reason = f"a fault of detaudit itself, not of the script: {reason}"
    if known.reproducible is not None:
        reason = f"{known.reason}; then the audit failed with {reason}"
    return replace(
        known,
        own_fault=True,
        reason=reason,
        no_fix_reason=known.no_fix_reason or reason,
        notes=(*known.notes, *notes),
    )


@dataclass
class _Runs:
    """The runs that an audit requested, and the replacements of those that failed only beside
    another run.
    """

    case: Case
    alone: bool = False
    notes: list[str] = field(default_factory=list)
    _keys: set[str] = field(default_factory=set)
    _replaced: dict[str, Finished] = field(default_factory=dict)
    _failing: set[Condition] = field(default_factory=set)  # those that fail alone too

    def count(self) -> int:
        return len(self._keys)

    def go_alone(self) -> None:
        self.alone = True
        self.case.alone()

    def judge(
        self, wanted: Sequence[Trial], found: Mapping[Trial, Finished]
    ) -> Experiment[dict[Trial, Finished]]:
        """Return ``found``, with each run that failed only beside another one replaced."""
        fresh = {trial for trial in wanted if trial.key() not in self._keys}
        self._keys |= {trial.key() for trial in fresh}
        beside = len(fresh) > 1 and not self.alone
        results = {}
        for trial in wanted:
            run = self._replaced.get(trial.key(), found[trial])
            if beside and trial in fresh and run.outcome.kind in (FAILED, CRASHED):
                run = yield from self._again(trial, run)
            results[trial] = run
        return results

    def _again(
        self, trial: Trial, failed: Finished
    ) -> Generator[Sequence[Trial], Mapping[Trial, Finished], Finished]:
        """Return the run that replaces one that failed beside another; the run itself if the script
        fails alone too.
        """
        if trial.condition in self._failing:
            return failed
        completed = []
        for number in (AGAIN + 2 * trial.draw, AGAIN + 2 * trial.draw + 1):
            again = Trial(trial.condition, number)
            self._keys.add(again.key())
            run = (yield [again])[again]  # requested by itself, so that nothing runs beside it
            if run.outcome.kind == OWN_FAULT:
                return run
            if not run.outcome.completed:
                self._failing.add(trial.condition)
                return failed
            completed.append(run)
        if not self.alone:
            self.notes.append(
                "a run that failed beside another run completed twice when run alone, so all later runs "
                f"were made one at a time: {failed.outcome.reason}"
            )
            self.go_alone()
        self._replaced[trial.key()] = completed[0]
        return completed[0]

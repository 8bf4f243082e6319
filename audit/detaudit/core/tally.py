"""Comparing the pairs of one condition, and counting."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from detaudit.core import divergence as diff
from detaudit.core.condition import Condition, Trial
from detaudit.core.divergence import Divergence, Incomparable, Match
from detaudit.core.experiment import Finished, Found
from detaudit.core.outcome import UNAVAILABLE
from detaudit.core.verdict import Count


@dataclass(frozen=True)
class Tally:
    """The pairs of one condition: how many agreed and parted, where the first parted, what went
    wrong.

    ``problems`` are the reasons of pairs that could not be compared, ``unavailable`` the reason why
    the condition cannot be tried here. ``evidence`` says how often each source acted, the least
    over the trials that completed.
    """

    condition: Condition
    matching: int = 0
    differing: int = 0
    divergence: Divergence | None = None
    problems: tuple[str, ...] = ()
    unavailable: str | None = None
    trials: tuple[int, ...] = ()
    evidence: dict[str, int] = field(default_factory=dict)

    @property
    def pairs(self) -> int:
        return self.matching + self.differing

    def count(self, name: str) -> Count:
        return Count(name, self.condition.model, self.matching, self.differing)


def tally(
    condition: Condition,
    pairs: Sequence[tuple[Trial, Trial]],
    found: Found,
    ignore: Collection[str] = (),
) -> Tally:
    """Compare every pair. A trial that did not complete makes its pair a problem, never an
    agreement.

    Two trials of which one failed and the other completed have parted, but nothing says where: a
    problem as well, told with the failure's own reason.
    """
    matching = differing = 0
    divergence, problems, unavailable = None, [], None
    for left, right in pairs:
        a, b = found[left], found[right]
        reasons = [trial.outcome for trial in (a, b) if not trial.outcome.completed]
        if reasons:
            if reasons[0].kind == UNAVAILABLE:
                unavailable = reasons[0].reason
            else:
                problems.append(f"{reasons[0].kind}: {reasons[0].reason}")
            continue
        compared = compare_finished(a, b, ignore)
        if isinstance(compared, Incomparable):
            problems.append(compared.reason)
        elif isinstance(compared, Match):
            matching += 1
        else:
            differing += 1
            divergence = divergence or compared
    finished = [found[trial] for pair in pairs for trial in pair]
    return Tally(
        condition,
        matching,
        differing,
        divergence,
        tuple(problems),
        unavailable,
        tuple(trial.number for trial in finished),
        _least_evidence(finished),
    )


def compare_finished(a: Finished, b: Finished, ignore: Collection[str] = ()) -> diff.Comparison:
    """Compare the traces of two trials. One that did not complete is incomparable, with its own
    reason.
    """
    left, right = a.completed_trace, b.completed_trace
    if left is None or right is None:
        return Incomparable(_why_not(a, b))
    return diff.compare(left, right, ignore)


def compare_finals(a: Finished, b: Finished) -> diff.Comparison:
    """Compare what two trials end on, whatever their steps: their final weights or values."""
    left, right = a.completed_trace, b.completed_trace
    if left is None or right is None:
        return Incomparable(_why_not(a, b))
    compared = diff.compare_finals(left, right, "what the training ends on")
    return compared or Incomparable("a trial left nothing that it ended on")


def _why_not(a: Finished, b: Finished) -> str:
    """Why two trials, of which one has no completed trace, cannot be compared."""
    failed = next((trial for trial in (a, b) if not trial.outcome.completed), None)
    return failed.outcome.reason if failed else "a completed trial left no trace"


def _least_evidence(finished: Sequence[Finished]) -> dict[str, int]:
    traces = [trace for trial in finished if (trace := trial.completed_trace) is not None]
    names = {name for trace in traces for name in trace.evidence}
    return {name: min(trace.evidence.get(name, 0) for trace in traces) for name in sorted(names)}

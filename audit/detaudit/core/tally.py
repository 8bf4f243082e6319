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
    """The pairs of one condition: how many matched and differed, the first divergence, what went
    wrong.

    ``problems`` are the reasons of pairs that could not be compared, ``unavailable`` the reason why
    the condition cannot be tried here. ``evidence`` says how often each source acted: the minimum
    over the completed trials.
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
    """Compare every pair. A pair with a trial that did not complete is a problem, never a match.

    If one trial failed and the other completed, they differ, but no place is known: this is a
    problem as well, with the reason of the failure.
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
    """Compare the final weights or values of two trials, whatever their steps."""
    left, right = a.completed_trace, b.completed_trace
    if left is None or right is None:
        return Incomparable(_why_not(a, b))
    compared = diff.compare_finals(left, right, "the final weights or values")
    return compared or Incomparable("a trial recorded no final weights or values")


def _why_not(a: Finished, b: Finished) -> str:
    """Return why two trials, one of them without a completed trace, cannot be compared."""
    failed = next((trial for trial in (a, b) if not trial.outcome.completed), None)
    return failed.outcome.reason if failed else "a completed trial wrote no trace"


def _least_evidence(finished: Sequence[Finished]) -> dict[str, int]:
    traces = [trace for trial in finished if (trace := trial.completed_trace) is not None]
    names = {name for trace in traces for name in trace.evidence}
    return {name: min(trace.evidence.get(name, 0) for trace in traces) for name in sorted(names)}

"""Varies the settings that another machine may have: does the result depend on them?"""

from collections.abc import Generator, Sequence
from dataclasses import replace

from detaudit_probes.declare import Source

from detaudit.commands.run.case import Case
from detaudit.commands.run.findings import Varied
from detaudit.commands.run.repeat import MOST, Comparing, compare_runs, counted, repeated
from detaudit.core.condition import Condition, Trial, varied
from detaudit.core.counting import matches_needed
from detaudit.core.divergence import Divergence, Incomparable, Match
from detaudit.core.experiment import Finished
from detaudit.registry import base

AGAIN = 4  # further runs under a variation, after one of its runs differed
# Significance level: several variations are tried, and one is picked because it differed
LEVEL = 0.01


#: The sources that are varied.
VARIED = tuple(source for source in base.script_sources().values() if source.variation is not None)


def vary(
    case: Case, runs: Sequence[Finished], comparing: Comparing = compare_runs
) -> Generator[Sequence[Trial], dict[Trial, Finished], tuple[tuple[Varied, ...], list[Finished]]]:
    """Run under each variation. Return the results, and all runs of the unchanged script: ``runs``,
    and perhaps more.

    ``runs`` are pairs that match. A variation whose run differs is tried again: the result is said
    to depend on it only if its runs differ from those of the unchanged script, and these match each
    other, often enough to exclude chance. It ends if runs of the unchanged script are found to
    differ.
    """
    chosen = [source for source in VARIED if not source.needs.gpus or _used(source, runs)]
    trials = {source.id: Trial(varied(case.unpinned, source), 1) for source in chosen}
    found = yield list(trials.values())
    done, results = list(runs), []
    for source in chosen:
        assert source.variation is not None
        title, first = source.variation.title, found[trials[source.id]]
        compared = comparing(runs[0], first)
        if source.needs.gpus and _used(source, [first]):
            results.append(Varied(source.id, title, None, "the script itself sets it again"))
        elif isinstance(compared, Match):
            results.append(Varied(source.id, title, True, "the same bits"))
        elif isinstance(compared, Divergence) and first.outcome.completed:
            result = Varied(source.id, title, False, "", compared)
            result, done = yield from _repeated(
                case, done, result, trials[source.id].condition, comparing
            )
            results.append(result)
            if counted(done, comparing).differing:
                break
        else:
            reason = compared.reason if isinstance(compared, Incomparable) else first.outcome.reason
            results.append(Varied(source.id, title, None, reason))
    return tuple(results), done


def _used(source: Source, runs: Sequence[Finished]) -> bool:
    traces = (run.trace for run in runs if run.trace is not None)
    return any(trace.evidence.get(source.id) for trace in traces)


def _repeated(
    case: Case, runs: Sequence[Finished], result: Varied, condition: Condition, comparing: Comparing
) -> Generator[Sequence[Trial], dict[Trial, Finished], tuple[Varied, list[Finished]]]:
    """Return ``result`` if further runs under its ``condition`` differ too, else what they show;
    and the runs of the unchanged script.
    """
    trials = [Trial(condition, number) for number in range(2, 2 + AGAIN)]
    found = yield trials
    compared = [
        comparing(runs[0], found[trial]) for trial in trials if found[trial].outcome.completed
    ]
    differing = sum(isinstance(one, Divergence) for one in compared)
    needed = matches_needed(differing, len(compared), LEVEL)
    shown = needed is not None and needed <= MOST
    most = needed if needed is not None and shown else case.most
    extended = yield from repeated(case.unpinned, len(runs) // 2, comparing, most, runs)
    said = f"other bits in {differing + 1} of {len(compared) + 1} runs"
    if counted(extended, comparing).differing:
        return replace(result, matches=None, reason="runs of the script as it is differ"), extended
    if shown:
        return replace(result, reason=said), extended
    return replace(result, matches=None, divergence=None, reason=f"unresolved: {said}"), extended
